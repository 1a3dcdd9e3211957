# Sourced with build, compiler and generator set: what a test of a project outside of the tree needs.
# The project is copied to $work/project, where the shell stands from then on.
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
  cat "$work"/project/*.log >&2 2>/dev/null || true
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

# Plays topology.toml on $listen, which becomes the port that it got.
play() {
  : >events.log
  troupe run topology.toml --listen "$listen" --log-file events.log 2>>run.log &
  troupe=$!
  wait_for grep -q '"troupe.ready"' events.log
  listen=$(sed -n 's/.*"troupe.ready".*"listen":"\([^"]*\)".*/\1/p' events.log)
  TROUPE_SERVER=http://$listen
  export TROUPE_SERVER
}

end_play() {
  kill -TERM "$troupe"
  wait "$troupe" || fail "troupe did not end well"
  troupe=''
}

# outside EXAMPLE: installs the tree into a prefix and builds a copy of the example against it.
outside() {
  cmake --install "$build" --prefix "$work/prefix" >/dev/null
  PATH=$work/prefix/bin:$PATH
  cp -r "$1" "$work/project"
  cd "$work/project"
  rm -rf build
  cmake -G "$generator" -B build -DCMAKE_PREFIX_PATH="$work/prefix" \
    -DCMAKE_CXX_COMPILER="$compiler"
  cmake --build build
}
