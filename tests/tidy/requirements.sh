#!/bin/sh
# sh tests/tidy/requirements.sh CTEST BUILD [FILE]: checks tests/requirements.toml (or FILE) against
# the tests of a build, and prints what is still open. Fails where a test that it names does not
# exist, where a requirement or fault is missing or out of order, and where a line has another form.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
file=${3:-$here/../requirements.toml}
names=$(mktemp)
trap 'rm -f "$names"' EXIT
"$1" --test-dir "$2" -N | sed -n 's/^ *Test *#[0-9]*: //p' > "$names"

awk -f "$here/requirements.awk" "$names" "$file"
