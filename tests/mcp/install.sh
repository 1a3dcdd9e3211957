#!/bin/sh
# sh tests/mcp/install.sh FOLDER: the MCP servers that the tests need, from npm, in FOLDER/node_modules,
# in the exact versions of package-lock.json. Does nothing where they are there already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$1

for program in node npm; do
  command -v "$program" >/dev/null || {
    echo "mcp: '$program' is missing: sh tests/packages.sh installs it" >&2
    exit 1
  }
done
version=$(node -p 'process.versions.node')
[ "${version%%.*}" -ge 20 ] || {
  echo "mcp: node $version is too old: the servers of tests/mcp/package.json need 20" >&2
  exit 1
}
mkdir -p "$folder"
if ! cmp -s "$here/package-lock.json" "$folder/installed.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$folder"
  (cd "$folder" && npm ci --ignore-scripts --no-fund --no-audit) || {
    echo "mcp: 'npm ci' failed: these tests need the servers of tests/mcp/package.json, and npm could" >&2
    echo "mcp: not get them. Is its registry reachable from here?" >&2
    exit 1
  }
  cp "$here/package-lock.json" "$folder/installed.json"
fi
cp "$here"/*.mjs "$folder"
