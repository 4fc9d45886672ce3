#!/bin/sh
# Installs the packages into the folder $1, and bundles the functions there. The other arguments are for npm.
set -eu
installed=$1
shift

mkdir -p "$installed"
cp package.json package-lock.json .npmrc "$installed"
npm ci --prefix "$installed" "$@" --no-audit --no-fund --loglevel error
for function in status invite; do
  NODE_PATH="$installed/node_modules" "$installed/node_modules/.bin/esbuild" "src/$function.js" --bundle --platform=node --target=node20 \
    --main-fields=module,main --format=cjs --minify --log-level=warning --outfile="$installed/package/$function.js"
done
