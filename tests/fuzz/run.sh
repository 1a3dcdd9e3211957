#!/bin/sh
# sh tests/fuzz/run.sh [RUNS] [TARGET...]: builds the libFuzzer targets with clang (`fuzz` preset) and
# executes each RUNS times (default 10,000,000), under ASan and UBSan. Installs clang where it is
# missing. Takes no input, can be run again. New inputs that reach new code are kept in
# build/fuzz/found; a crash ends it with the input's path, and a non-zero exit code.
set -eu
cd "$(dirname "$0")/../.."
runs=${1:-10000000}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- sse_parser json_mend answer_stream

echo "== packages"
sh tests/packages.sh
command -v clang++-14 >/dev/null || {
  as_root=
  [ "$(id -u)" -eq 0 ] || as_root=sudo
  $as_root apt-get update -q
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    clang-14 libclang-rt-14-dev llvm-14
}
echo "== build"
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz

for target in "$@"; do
  echo "== $target: $runs executions"
  mkdir -p "build/fuzz/found/$target"
  log=build/fuzz/found/$target.log
  if ! "build/fuzz/tests/fuzz/fuzz_$target" -runs="$runs" -max_len=2048 -timeout=10 -print_final_stats=1 \
      -artifact_prefix="build/fuzz/found/$target-" "build/fuzz/found/$target" \
      "tests/fuzz/corpus/$target" >"$log" 2>&1; then
    tail -n 40 "$log"
    echo "fuzz: $target failed; the whole log is $log" >&2
    exit 1
  fi
  grep -E '^Done |stat::number_of_executed_units|stat::average_exec_per_sec' "$log"
done
