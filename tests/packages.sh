#!/bin/sh
# All packages that building and testing needs (Debian 12's names), in one list. Installs those that
# are missing; where none is, it calls neither apt-get nor sudo.
set -eu

packages="
  g++ cmake ninja-build ccache lld pkg-config curl
  libcaf-dev libfmt-dev libtomlplusplus-dev
  libboost1.81-dev libboost-json1.81-dev libboost-url1.81-dev
  libcurl4-openssl-dev libssl-dev libsqlite3-dev zlib1g-dev
  libvalijson-dev prometheus-cpp-dev libcli11-dev
  catch2 librapidcheck-dev
"
# For the MCP servers of tests/mcp. Where node came from elsewhere, npm came with it.
command -v npm >/dev/null || packages="$packages nodejs npm"

missing=
for package in $packages; do
  if ! dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed; then
    missing="$missing $package"
  fi
done

if [ -n "$missing" ]; then
  echo "packages: installing$missing"
  as_root=
  [ "$(id -u)" -eq 0 ] || as_root="sudo"
  $as_root apt-get update -q
  # shellcheck disable=SC2086 # a list of words
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
fi
