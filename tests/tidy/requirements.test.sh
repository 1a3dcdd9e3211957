#!/bin/sh
# The check of requirements.toml finds what it looks for, and lets a good file pass.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# A ctest that knows three tests, and a room that was not built.
cat > "$work/ctest" <<'END'
#!/bin/sh
echo "Test project"
echo "  Test   #1: sim/it works, and \"how\""
echo "  Test  #12: kit/it is quick"
echo "  Test #133: test_chaos_NOT_BUILT"
echo "Total Tests: 3"
END
chmod +x "$work/ctest"

entries() { # PREFIX FIRST LAST LIST..
  prefix=$1 i=$2 last=$3
  shift 3
  while [ "$i" -le "$last" ]; do
    printf '\n[%s%d]\nwhat = "thing %d"\n' "$prefix" "$i" "$i"
    for list; do
      printf '%s = [\n  "kit/it is quick",\n]\n' "$list"
    done
    i=$((i + 1))
  done
}

expect() { # good|bad TEXT, on the file "$work/r.toml"
  if sh "$here/requirements.sh" "$work/ctest" "$work" "$work/r.toml" > "$work/out" 2>&1; then
    got=good
  else
    got=bad
  fi
  if [ "$got" != "$1" ] || ! grep -qF -- "$2" "$work/out"; then
    echo "expected $1 with '$2', got $got:"
    cat "$work/out"
    failures=$((failures + 1))
  fi
}

{ echo "# a comment"; entries R 1 27 topology class; entries F 1 52 tests; } > "$work/good.toml"
change() { sed "$1" "$work/good.toml" > "$work/r.toml"; }

change ''
expect good "79 of 79 shown, 0 open"
change '0,/kit.it is quick/s//sim\/it works, and \\"how\\"/'
expect good "79 of 79 shown"
change '0,/kit.it is quick/s//chaos\/whatever/'
expect good "1 of rooms that are not built"
change 's/thing 3"/&\nmissing = "some of it"/'
expect good "open: R3 thing 3: missing: some of it"
change '/^\[R5\]/,/^\[R6\]/{/kit/d}'
expect good "open: R5 thing 5: no test from a topology, no test from a class"
change '/^\[F7\]/,/^\[F8\]/{/kit/d}'
expect good "open: F7 thing 7: no test"
change '0,/kit.it is quick/s//kit\/it is slow/'
expect bad "no test is named 'kit/it is slow'"
change '/^\[F7\]/,/^$/d'
expect bad "expected [F7], found [F8]"
change '/^\[F52\]/,$d'
expect bad "the entries after [F51] are missing"
change 's/\[R4\]/[R5]/'
expect bad "expected [R4], found [R5]"
change 's/^class = /tests = /'
expect bad "a requirement has \`topology\` and \`class\`"
change 's/^class = \[/class = ["a", "b"]/'
expect bad "not a line of this file's form"

exit "$failures"
