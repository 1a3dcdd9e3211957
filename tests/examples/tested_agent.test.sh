#!/bin/sh
# sh tested_agent.test.sh BUILD_DIR CXX GENERATOR [KEEP]: a project of somebody else's tests its agent
# with the installed kit. Builds it and runs its tests; plays it and takes a run home, which the
# agent must walk through; then breaks the agent, twice, and looks whether its tests notice.
# With KEEP, a folder, the run and the cassette are copied there: how the example's were made.
set -eu
build=$1 compiler=$2 generator=$3 keep=${4:-}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/outside.sh"
example=$here/../../examples/tested_agent
outside "$example"
tests() { build/refund_tests "$@" >tests.log 2>&1; }

if [ -z "$keep" ]; then
  tests || fail "the example's tests fail"
fi

# A real run, taken home: the model's words and the journal.
rm -f refund.cassette refund.journal
troupe check topology.toml
listen=127.0.0.1:0
play
id=$(troupe invoke refund --input '{"order":"A-1","reason":"It came broken."}')
troupe invoke refund --input '{"order":"A-2","reason":"I changed my mind."}' --wait >answer.log
grep -q '"granted":false' answer.log || fail "it answered: $(cat answer.log)"
ended() { troupe show "$id" | grep -q completed; }
wait_for ended
troupe journal "$id" --export refund.journal
end_play
if [ -n "$keep" ]; then
  cp refund.journal refund.cassette "$keep"
  exit 0
fi
tests "today's*,what the real*" || fail "today's run does not replay"

# A topology that replays the cassette needs no model.
sed -i 's/^record = /replay = /; /^script = /d' topology.toml
play
troupe invoke refund --input '{"order":"A-1","reason":"It came broken."}' --wait >answer.log
grep -q '"granted":true' answer.log || fail "offline it answered: $(cat answer.log)"
troupe invoke refund --input '{"order":"A-1","reason":"I lost it."}' --wait 2>refusal.log \
  && fail "what was not recorded was answered"
grep -q 'this request was not recorded; the nearest one is in line' refusal.log \
  || fail "it did not say what is nearest"
end_play

# broken NAME SED: the agent with a bug; the case of that name must fail.
broken() {
  sed "$2" "$example/refund.cpp" >refund.cpp
  cmp -s refund.cpp "$example/refund.cpp" && fail "nothing was broken: $2"
  cmake --build build --target refund_tests
  tests "$1" && fail "its tests do not notice: $2"
  return 0
}

# The key of the payment counts calls in this process: another life pays under another key.
broken "a refund is paid once*" \
  's|"refund/" + in.order|"refund/" + [] { static int calls = 0; return std::to_string(++calls); }()|'
# It asks another service than it did yesterday.
broken "today's code walks*" \
  's|tool("orders").arg("order", in.order).call<order_record>|tool("crm").arg("order", in.order).call<order_record>|'
grep -q 'the code asks for  tool "crm" at -/0 {"order":"A-1"}' tests.log || fail "the code is not shown"
grep -q 'the record holds   tool "orders" at -/0 {"order":"A-1"}' tests.log \
  || fail "the record is not shown"
