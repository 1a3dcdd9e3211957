#!/bin/sh
# sh first_agent.test.sh BUILD_DIR CXX GENERATOR: follows the README's "a first own agent" to its end:
# installs the tree into a prefix, builds the example as a project of its own against it, plays it,
# and kills it on the way.
set -eu
build=$1 compiler=$2 generator=$3
example=$(cd "$(dirname "$0")/../../examples/first_agent" && pwd)
unset OPENAI_API_KEY # offline

work=$(mktemp -d)
troupe=''
cleanup() {
  [ -z "$troupe" ] || kill -9 "$troupe" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

fail() {
  echo "$*" >&2
  cat "$work"/hello/*.log >&2 2>/dev/null || true
  exit 1
}

# wait_for COMMAND...: polls, for 30 s.
wait_for() {
  polls=600
  until "$@"; do
    polls=$((polls - 1))
    [ "$polls" -gt 0 ] || fail "waited in vain: $*"
    sleep 0.05
  done
}

play() {
  : >events.log
  troupe run topology.toml --listen "$listen" --log-file events.log 2>>run.log &
  troupe=$!
  wait_for grep -q '"troupe.ready"' events.log
  listen=$(sed -n 's/.*"troupe.ready".*"listen":"\([^"]*\)".*/\1/p' events.log)
  TROUPE_SERVER=http://$listen
  export TROUPE_SERVER
}

cmake --install "$build" --prefix "$work/prefix" >/dev/null
PATH=$work/prefix/bin:$PATH
cp -r "$example" "$work/hello"
cd "$work/hello"
rm -rf build
cmake -G "$generator" -B build -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_CXX_COMPILER="$compiler"
cmake --build build

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

kill -TERM "$troupe"
wait "$troupe" || fail "troupe did not end well"
troupe=''
