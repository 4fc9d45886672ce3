#!/bin/sh
# Installs the packages and the tools for compiling them, and bundles the functions in the folder $1.
set -eu

# `aws-lambda-ric` is a source package: it compiles curl and an addon.
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

# The headers of the installed Node, if it has any, instead of headers from the network.
prefix=$(node -p 'path.resolve(process.execPath, "../..")')
if [ -e "$prefix/include/node/node_api.h" ]; then
  export npm_config_nodedir="$prefix"
fi

exec ./bundle.sh "$1"
