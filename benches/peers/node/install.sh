#!/bin/sh
# Installs what the functions need into the folder $1, and bundles them there.
set -eu

# `aws-lambda-ric` comes as source: it compiles a curl and an addon of its own.
missing=
for tool in cmake autoconf automake libtoolize make g++; do
  command -v "$tool" > /dev/null || missing="$missing $tool"
done
packages='cmake autoconf automake libtool make g++'
if [ -n "$missing" ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "missing:$missing (on Debian and Ubuntu: apt-get install $packages)" >&2
    exit 1
  fi
  apt-get update --quiet=2
  # shellcheck disable=SC2086 # one word each
  apt-get install --quiet=2 --yes --no-install-recommends $packages
fi

# The headers that came with Node, if it came with any, rather than ones from the network.
prefix=$(node -p 'path.resolve(process.execPath, "../..")')
if [ -e "$prefix/include/node/node_api.h" ]; then
  export npm_config_nodedir="$prefix"
fi

exec ./bundle.sh "$1"
