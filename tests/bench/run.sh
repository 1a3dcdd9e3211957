#!/bin/sh
# sh tests/bench/run.sh [NAME [ARGUMENT...]]: the figures, as JSON lines on stdout, of one benchmark
# or of all. What the build says goes to stderr.
set -eu
cd "$(dirname "$0")/../.."

sh tests/packages.sh >&2
command -v nginx >/dev/null || command -v /usr/sbin/nginx >/dev/null || { # what `models` compares with
  as_root=
  [ "$(id -u)" -eq 0 ] || as_root=sudo
  $as_root apt-get update -q >&2
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    nginx-light >&2
}
PATH=$PATH:/usr/sbin
cmake --preset release >&2
if [ $# -gt 0 ]; then
  cmake --build --preset release --target troupe "bench_$1" >&2
  name=$1
  shift
  exec "build/release/tests/bench/bench_$name" "$@"
fi

cmake --build --preset release >&2
for file in tests/bench/*.cpp; do
  name=$(basename "$file" .cpp)
  echo "bench $name" >&2
  "build/release/tests/bench/bench_$name"
done
