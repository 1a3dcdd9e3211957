#!/bin/sh
# sh tests/tidy/check.sh [TREE]: looks for breaches of the house rules that no compiler finds, and
# prints them as file:line: rule: text. A line with `tidy: allow(<rule>)` in a comment is let through.
# Exit code 1 if there is any.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-$here/../..}"

set --
for room in runtime actors config tests examples; do
  [ ! -d "$room" ] || set -- "$@" "$room"
done

# A file in compile_fail holds a mistake on purpose.
find "$@" -path tests/compile_fail -prune -o -type f \( -name '*.cpp' -o -name '*.hpp' \) -print | LC_ALL=C sort \
  | LC_ALL=C xargs awk -f "$here/check.awk"
