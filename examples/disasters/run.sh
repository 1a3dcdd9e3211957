#!/bin/sh
# sh examples/disasters/run.sh [messages|charges|tickets|cascade ..]: four disasters (or those that
# are named), each met by a plain client and by troupe.
#
# For each story the same jobs go to the same service twice: once by naive_client, once by agents
# under `troupe run`, which gets every job twice and is killed with SIGKILL on the way. Ends with one
# table, counted by the service; exit code 0 only where troupe has no duplicate and lost nothing, and
# the plain client has the duplicates that were to be shown. Of the cascade callers are counted: troupe
# must serve 98.3 % of them, and the plain client must not. Takes no input, can be run again, works
# offline, ends what it starts.
#
#   DISASTERS_PRESET     the CMake preset to build with (release)
#   DISASTERS_BUILD_DIR  a tree that is built already: nothing is installed or built
set -eu
cd "$(dirname "$0")/../.."

here=$PWD/examples/disasters
preset=${DISASTERS_PRESET:-release}
build=${DISASTERS_BUILD_DIR:-$PWD/build/$preset}
stories=${*:-messages charges tickets cascade}
work=$build/disasters/$(echo "$stories" | tr ' ' '-')
patience=60 # seconds that any step may take; each takes a tenth of that

say() { echo "== $*"; }
fail() {
  echo "disasters: $*" >&2
  echo "disasters: what happened stands in $work" >&2
  exit 1
}

# -- processes: all that is started here is ended here, by its id ------------------------------------

service='' troupe='' feeders=''
cleanup() {
  for pid in $feeders $troupe $service; do
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

start_service() { # NAME OPTIONS...
  port=$work/$1.port log=$work/$1.log
  shift
  : >"$port"
  "$build/bin/disaster_services" "$@" >"$port" 2>"$log" &
  service=$!
  wait_for "the service starts" grep -q '}' "$port"
  SERVICE_URL=http://127.0.0.1:$(sed -n 's/.*"port":\([0-9]*\).*/\1/p' "$port")
  export SERVICE_URL
}
stop_service() {
  kill -TERM "$service"
  wait "$service" || true
  service=''
}

topology=$here/topology.toml
start_troupe() { # NAME: life by life; the port that it found free first is its port from then on
  life=$((life + 1))
  events=$work/$1-events-$life.jsonl
  "$build/bin/troupe" run "$topology" --listen "$listen" --log-file "$events" \
    2>>"$work/$1-troupe.log" &
  troupe=$!
  wait_for "troupe starts" troupe_is_ready "$1"
  listen=$(sed -n 's/.*"troupe.ready".*"listen":"\([^"]*\)".*/\1/p' "$events")
}
troupe_is_ready() {
  kill -0 "$troupe" 2>/dev/null || fail "troupe ended: $(tail -n 3 "$work/$1-troupe.log")"
  grep -q '"troupe.ready"' "$events" 2>/dev/null
}

# -- counts: what the service has received ------------------------------------------------------------

# count KIND FIELD, e.g. `count charges duplicates`.
count() {
  curl -fsS --max-time 10 "$SERVICE_URL/counts" \
    | sed -n "s/.*\"$1\":{[^}]*\"$2\":\([0-9]*\)[,}].*/\1/p"
}
has_effects() { [ "$(count "$1" "$2")" -ge "$3" ]; }

# -- the two ways -------------------------------------------------------------------------------------

# naive KIND: the plain client, with a service of its own.
naive() {
  start_service "naive-$1"
  "$build/bin/naive_client" "$1" --base "$SERVICE_URL" --jobs "$work/$1.jsonl" \
    >"$work/naive-$1.out" || fail "the naive client ended badly"
  take_counts "$1"
  stop_service
}

feed() { # KIND AGENT DELIVERY FEEDER
  "$build/bin/troupe" invoke "$2" --server "http://$listen" --input-lines "$work/$1.jsonl" \
    --key "$1-$3" --key-field "$key_field" --parallel 64 --wait --timeout "$patience" --json \
    >"$work/$1-feeder-$4.jsonl" 2>"$work/$1-feeder-$4.log" &
  feeders="$feeders $!"
}

# durable KIND AGENT KEY_FIELD PROGRESS TOTAL DELIVERY: agents. Every job is sent by two feeders at
# the same time, by the second one under the name DELIVERY: `first` is the same request again, any
# other one a request of its own for the same thing. When half of the work is there, the process is
# killed and started again.
durable() {
  start_service "troupe-$1"
  life=0 listen=127.0.0.1:0 key_field=$3 feeders=''
  DISASTERS_STORE=$work/$1.db
  export DISASTERS_STORE
  start_troupe "$1"
  feed "$1" "$2" first 1
  feed "$1" "$2" "$6" 2
  wait_for "half of the work" has_effects "$1" "$4" $(($5 / 2))
  kill -9 "$troupe"
  wait "$troupe" 2>/dev/null || true
  start_troupe "$1"
  for pid in $feeders; do
    wait "$pid" || fail "a job of $2 did not complete: $(cat "$work/$1"-feeder-*.log | tail -n 3)"
  done
  feeders=''
  take_counts "$1"
  kill -TERM "$troupe"
  wait "$troupe" || fail "troupe did not end well: $(tail -n 3 "$work/$1-troupe.log")"
  troupe=''
  stop_service
}

take_counts() {
  effects=$(count "$1" effects) keys=$(count "$1" keys) duplicates=$(count "$1" duplicates)
  more=$(count "$1" more)
}

# -- build --------------------------------------------------------------------------------------------

if [ -z "${DISASTERS_BUILD_DIR:-}" ]; then
  say "packages"
  sh tests/packages.sh
  say "build (preset $preset): troupe, the agents, the service, the naive client"
  cmake --preset "$preset" >/dev/null
  cmake --build "$build" --target troupe disasters disaster_services naive_client cascade_client
fi

# -- the jobs -----------------------------------------------------------------------------------------

rm -rf "$work"
mkdir -p "$work"
export DISASTERS_PLUGIN="$build/lib/libdisasters.so"

messages=400 charges=847 incidents=340 alerts_each=11
pages=$((incidents * alerts_each))
awk -v n="$messages" 'BEGIN {
  for (i = 1; i <= n; i++) printf "{\"id\":\"A-%d\",\"text\":\"disk %d is full\"}\n", i, i
}' >"$work/messages.jsonl"
awk -v n="$charges" -v total=8400000 'BEGIN { # $84,000, to the cent
  for (i = 1; i <= n; i++)
    printf "{\"id\":\"I-%d\",\"cents\":%d}\n", i, int(total / n) + (i <= total % n)
}' >"$work/charges.jsonl"
awk -v n="$incidents" -v each="$alerts_each" 'BEGIN {
  for (i = 1; i <= n; i++) for (k = 1; k <= each; k++)
    printf "{\"incident\":\"X-%d\",\"alert\":\"X-%d-%d\"}\n", i, i, k
}' >"$work/tickets.jsonl"

# -- run ----------------------------------------------------------------------------------------------

table='' bad='' missed=''
line='%-17s %-6s %6s %8s %11s %5s  %s\n'
row() { # STORY CLIENT JOBS LOST NOTE
  # shellcheck disable=SC2059 # the format is ours
  table="$table$(printf "$line" "$1" "$2" "$3" "$effects" "$duplicates" "$4" "$5")
"
  [ "$2" = naive ] || { [ "$duplicates" -eq 0 ] && [ "$4" -eq 0 ]; } || bad="$bad $1"
}
expect() { [ "$duplicates" -ge "$1" ] || missed="$missed $2"; }
dollars() { awk -v c="$more" 'BEGIN { printf "$%d charged twice", c / 100 }'; }

run_messages() {
  say "the message storm: $messages alerts; three posts of each are done and answered too late"
  naive messages
  expect 1200 messages
  row "message storm" naive "$messages" $((messages - keys)) ""
  durable messages notifier id effects "$messages" second
  row "message storm" troupe "$messages" $((messages - keys)) ""
}
run_charges() {
  say "the duplicate charge: $charges invoices; the first charge of each is done, its answer is lost"
  naive charges
  expect 847 charges
  row "duplicate charge" naive "$charges" $((charges - keys)) "$(dollars)"
  durable charges biller id effects "$charges" second
  row "duplicate charge" troupe "$charges" $((charges - keys)) "$(dollars)"
}
run_tickets() {
  say "the ticket cascade: $pages alerts of $incidents incidents, $alerts_each at the same time"
  naive tickets
  expect 3400 tickets
  row "ticket cascade" naive "$pages" $((pages - more)) "for $incidents incidents"
  durable tickets dispatcher alert more "$pages" second
  row "ticket cascade" troupe "$pages" $((pages - more)) "for $incidents incidents"
}

# The cascade: 12,000 callers in 30 s, a sixtieth of the true times: the customers' service hangs for
# half a second in place of 30 s, each time, for ten seconds in place of ten minutes.
callers=12000 served=''
crowd() { # CLIENT OPTIONS...
  client=$1
  shift
  "$build/bin/cascade_client" --base "$SERVICE_URL" --jobs "$callers" "$@" \
    >"$work/cascade-$client.json" || fail "the callers ended badly"
  said() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$work/cascade-$client.json"; }
  ok=$(said ok)
  served="$served$(awk -v c="$client" -v n="$callers" -v ok="$ok" -v d="$(said degraded)" \
    -v p="$(said p99_ms)" 'BEGIN {
      printf "%-17s %-6s %7d %7d = %5.1f %% %9d %8d ms", "timeout cascade", c, n, ok,
        100 * ok / n, d, p }')
"
}
run_cascade() {
  say "the timeout cascade: $callers callers, ten agents, one tool hangs for a third of the time"
  start_service naive-cascade --latency-ms 2 --outage-from-ms 8000 --outage-to-ms 18000
  crowd naive
  [ $((ok * 10)) -lt $((callers * 9)) ] || missed="$missed cascade"
  stop_service
  start_service troupe-cascade --latency-ms 2 --outage-from-ms 8000 --outage-to-ms 18000
  DISASTERS_STORE=$work/cascade.db PATIENCE=1s CRM_TIMEOUT=50ms CRM_OPEN_FOR=500ms
  export DISASTERS_STORE PATIENCE CRM_TIMEOUT CRM_OPEN_FOR
  life=0 listen=127.0.0.1:0 topology=$here/cascade.toml
  start_troupe cascade
  crowd troupe --server "http://$listen"
  [ $((ok * 1000)) -ge $((callers * 983)) ] || bad="$bad cascade"
  kill -TERM "$troupe"
  wait "$troupe" || fail "troupe did not end well: $(tail -n 3 "$work/cascade-troupe.log")"
  troupe=''
  stop_service
}

for story in $stories; do
  "run_$story"
done

if [ -n "$table" ]; then
  # shellcheck disable=SC2059
  printf "\n$line" disaster client jobs effects duplicates lost ''
  printf '%s' "$table"
fi
if [ -n "$served" ]; then
  printf '\n%-17s %-6s %7s %17s %9s  %s\n' '' client callers served degraded 'p99 of the unaffected'
  printf '%s' "$served"
fi

[ -z "$bad" ] || fail "troupe has duplicates, has lost something, or has left callers alone:$bad"
[ -z "$missed" ] || fail "the disaster did not happen, so nothing is shown by surviving it:$missed"
