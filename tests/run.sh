#!/bin/sh
# sh tests/run.sh: installs what is missing, builds with the `ci` preset, runs every test but those
# labelled `slow`. Takes no input, can be run again; ends with ctest's exit code.
set -eu
cd "$(dirname "$0")/.."

echo "== packages"
sh tests/packages.sh
echo "== configure"
cmake --preset ci
echo "== build"
cmake --build --preset ci
echo "== test"
exec ctest --preset ci -LE slow -j "$(nproc)"
