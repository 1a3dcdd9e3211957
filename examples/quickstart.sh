#!/bin/sh
# sh examples/quickstart.sh: the ticket desk under kill -9.
#
# Builds troupe and the desk, starts the desk's two services with some faults on, lets an agent work
# through 47 tickets, and kills troupe with SIGKILL three times on the way. Ends with one line of
# counts, taken from the services themselves; exit code 0 only where every one of them is right.
# Takes no input, can be run again, works offline. With OPENAI_API_KEY set the model is the real one.
#
#   QUICKSTART_PRESET     the CMake preset to build with (release)
#   QUICKSTART_BUILD_DIR  a tree that is built already: nothing is installed or built
set -eu
cd "$(dirname "$0")/.."

desk=$PWD/examples/ticket_desk
preset=${QUICKSTART_PRESET:-release}
build=${QUICKSTART_BUILD_DIR:-$PWD/build/$preset}
work=$build/quickstart
kills_planned=3
patience=120 # seconds that anything may take; all of it takes a tenth of that

say() { echo "== $*"; }
fail() {
  echo "quickstart: $*" >&2
  echo "quickstart: what happened stands in $work" >&2
  exit 1
}

# -- processes: all that is started here is ended here, by its id ------------------------------------

services='' troupe='' feeder=''
cleanup() {
  for pid in $feeder $troupe $services; do
    kill -9 "$pid" 2>/dev/null || true
  done
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# wait_for WHAT COMMAND...: polls until the command succeeds.
wait_for() {
  what=$1
  shift
  polls=$((patience * 50))
  until "$@"; do
    polls=$((polls - 1))
    [ "$polls" -gt 0 ] || fail "$what: not within $patience s"
    sleep 0.02
  done
}

start_services() {
  "$build/bin/desk_services" --state "$work/services" --ports-file "$work/ports.json" \
    --ticketing-latency-ms 20 --chat-latency-ms 20 \
    --error-before-effect-every 15 --drop-after-effect-every 7 >"$work/services.log" 2>&1 &
  services=$!
  wait_for "the services start" test -s "$work/ports.json"
  TICKETING_URL=http://127.0.0.1:$(port_of ticketing)
  CHAT_URL=http://127.0.0.1:$(port_of chat)
  export TICKETING_URL CHAT_URL
}
port_of() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$work/ports.json"; }

life=0 listen=127.0.0.1:0
start_troupe() {
  life=$((life + 1))
  events=$work/events-$life.jsonl
  "$build/bin/troupe" run "$desk/topology.toml" --listen "$listen" --log-file "$events" \
    2>>"$work/troupe.log" &
  troupe=$!
  wait_for "troupe starts, life $life" troupe_is_ready
  # The port that it found free the first time is its port from then on.
  listen=$(sed -n 's/.*"troupe.ready".*"listen":"\([^"]*\)".*/\1/p' "$events")
}
troupe_is_ready() {
  kill -0 "$troupe" 2>/dev/null || fail "troupe ended: $(tail -n 3 "$work/troupe.log")"
  grep -q '"troupe.ready"' "$events" 2>/dev/null
}

# -- counts: what the services have received, and what troupe says of itself --------------------------

ask() { curl -fsS --max-time 10 "$1"; }
count() { ask "$1/counts" | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"; }
posted_at_least() {
  kill -0 "$feeder" 2>/dev/null || fail "it ended early: $(tail -n 3 "$work/feeder.log")"
  [ "$(count "$CHAT_URL" posted)" -ge "$1" ]
}
replayed_in_this_life() {
  ask "http://$listen/metrics" | sed -n 's/^troupe_replayed_steps_total \([0-9]*\).*/\1/p'
}

# -- build -------------------------------------------------------------------------------------------

if [ -z "${QUICKSTART_BUILD_DIR:-}" ]; then
  say "packages"
  sh tests/packages.sh
  say "build (preset $preset): troupe, the desk's agent, the desk's services"
  cmake --preset "$preset" >/dev/null
  cmake --build "$build" --target troupe desk desk_services
fi

# -- run ---------------------------------------------------------------------------------------------

rm -rf "$work"
mkdir -p "$work"
export DESK_PLUGIN="$build/lib/libdesk.so" DESK_STORE="$work/desk.db" \
  DESK_KNOWLEDGE="$desk/knowledge"
tickets=$(grep -c . "$desk/tickets.jsonl")

say "services: each 15th request fails with 503, each 7th is done and its answer is cut off"
start_services
say "troupe: $tickets tickets, the model is $([ -n "${OPENAI_API_KEY:-}" ] && echo OpenAI || echo scripted)"
start_troupe
"$build/bin/troupe" invoke triage --server "http://$listen" --input-lines "$desk/tickets.jsonl" \
  --key-field id --wait --timeout "$patience" --json >"$work/results.jsonl" 2>"$work/feeder.log" &
feeder=$!

kills=0 replayed=0
while [ "$kills" -lt "$kills_planned" ]; do
  kills=$((kills + 1))
  wait_for "tickets before kill $kills" posted_at_least $((tickets * kills / (kills_planned + 1)))
  replayed=$((replayed + $(replayed_in_this_life)))
  kill -9 "$troupe"
  wait "$troupe" 2>/dev/null || true
  done_so_far=$(count "$CHAT_URL" posted)
  say "kill -9, the ${kills}. time: $done_so_far of $tickets posted"
  [ "$done_so_far" -lt "$tickets" ] || fail "too late to kill: all tickets are done"
  start_troupe
done

feeder_ended() { ! kill -0 "$feeder" 2>/dev/null; }
wait_for "all tickets end" feeder_ended
wait "$feeder" || fail "a ticket did not complete: $(tail -n 3 "$work/feeder.log")"
feeder=''
replayed=$((replayed + $(replayed_in_this_life)))
kill -TERM "$troupe"
wait "$troupe" || fail "troupe did not end well: $(tail -n 3 "$work/troupe.log")"
troupe=''

# -- what came of it ----------------------------------------------------------------------------------

filed=$(count "$TICKETING_URL" filed)
filed_twice=$(($(count "$TICKETING_URL" keys_twice) + $(count "$TICKETING_URL" tickets_twice)))
posted=$(count "$CHAT_URL" posted)
posted_twice=$(count "$CHAT_URL" refs_twice)
model_calls=$(cat "$work"/events-*.jsonl | grep -c '"llm.call"')
# Done is what has its answer, is filed and stands in the chat: the least of the three.
done_in_all=$(grep -c '"ok":true.*"posted":true' "$work/results.jsonl" || true)
for n in "$filed" "$(count "$CHAT_URL" refs)"; do
  [ "$n" -ge "$done_in_all" ] || done_in_all=$n
done
lost=$((tickets - done_in_all))

echo "$tickets tickets: $filed filed, $filed_twice twice, $posted posted, $posted_twice twice," \
  "$lost lost; $kills kills; $replayed steps replayed, $model_calls model calls for $tickets tickets"

[ "$filed" -eq "$tickets" ] && [ "$posted" -eq "$tickets" ] || fail "not $tickets filed and posted"
[ "$filed_twice" -eq 0 ] && [ "$posted_twice" -eq 0 ] || fail "something happened twice"
[ "$lost" -eq 0 ] || fail "$lost tickets are lost"
[ "$replayed" -gt 0 ] || fail "no steps were replayed: the kills hit nothing"
# The rest are the model's scripted faults and what was being asked at a kill: at most four each time.
[ "$model_calls" -ge "$tickets" ] && [ "$model_calls" -le $((tickets * 3 / 2)) ] \
  || fail "$model_calls model calls for $tickets tickets"
