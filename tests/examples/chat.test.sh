#!/bin/sh
# sh chat.test.sh TROUPE: plays examples/chat as its README says, with a kill in the middle.
set -eu
binary=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/outside.sh"
cp -r "$here/../../examples/chat" "$work/project"
cd "$work/project"
PATH=$(dirname "$binary"):$PATH

troupe check topology.toml
listen=127.0.0.1:0
play
says() { # CONVERSATION MESSAGE EXPECTED
  troupe invoke help --wait --input "{\"conversation\":\"$1\",\"message\":\"$2\"}" >answer.log
  grep -q "$3" answer.log || fail "'$2' was answered: $(cat answer.log)"
}
says c-17 'Where is o-1?' 'with you on Tuesday'
says c-17 'And when?' 'On Tuesday, as I said'
says c-18 'And when?' 'Tell me the number'
says c-18 'Where is o-9?' 'cannot find that order'

asks='{"conversation":"c-19","message":"Where is o-2?"}'
troupe invoke help --key lost --input "$asks" --json >asked.log
id=$(sed -n 's/.*"id":"\([^"]*\)".*/\1/p' asked.log)
waits() { troupe events "$id" | grep -q 'approval.wanted'; }
wait_for waits
kill -9 "$troupe"
wait "$troupe" || true
[ ! -s refunds.log ] || fail 'it did not wait for the approval'
play
troupe approve "$id" --reason 'she is right'
troupe invoke help --key lost --input "$asks" --wait >answer.log
grep -q 'on its way back to you' answer.log || fail "it answered: $(cat answer.log)"
[ "$(grep -o '"order":"o-2"' refunds.log | wc -l)" = 1 ] || fail "refunds: $(cat refunds.log)"

asks='{"conversation":"c-20","message":"Where is o-2?"}'
troupe invoke help --key denied --input "$asks" --json >asked.log
id=$(sed -n 's/.*"id":"\([^"]*\)".*/\1/p' asked.log)
wait_for waits
troupe approve "$id" --deny --reason 'call her first'
troupe invoke help --key denied --input "$asks" --wait >answer.log
grep -q 'a colleague will get in touch' answer.log || fail "it answered: $(cat answer.log)"
[ "$(grep -o '"order":"o-2"' refunds.log | wc -l)" = 1 ] || fail "refunds: $(cat refunds.log)"
end_play
