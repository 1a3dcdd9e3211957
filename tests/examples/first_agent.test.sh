#!/bin/sh
# sh first_agent.test.sh BUILD_DIR CXX GENERATOR: follows the README's "a first own agent" to its end:
# installs the tree into a prefix, builds the example as a project of its own against it, plays it,
# and kills it on the way.
set -eu
build=$1 compiler=$2 generator=$3
here=$(cd "$(dirname "$0")" && pwd)
. "$here/outside.sh"
outside "$here/../../examples/first_agent"

troupe check topology.toml
listen=127.0.0.1:0
play
troupe invoke greeter --input '{"name":"Ada","language":"French"}' --wait >answer.log &
asks=$!
sleeping() { troupe ps --open --json | grep -q '"suspended"'; }
wait_for sleeping
kill -9 "$troupe"
wait "$troupe" || true
play
wait "$asks" || fail "the invocation did not complete"
grep -q 'Bonjour, Ada' answer.log || fail "it answered: $(cat answer.log)"

troupe invoke greeter --input '{"name":"Bo","language":"Elvish"}' --wait 2>refusal.log \
  && fail "there is no phrase book for Elvish"
grep -q 'no phrase book for Elvish' refusal.log || fail "it did not say why"
end_play
