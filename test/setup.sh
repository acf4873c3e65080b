#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: Debian packages (a C
# compiler for the race detector, curl, the AWS command line, boto3) and the
# JavaScript packages of test/apps, at the versions in their lock files.
set -euo pipefail
cd "$(dirname "$0")"

need=()
command -v gcc >/dev/null || need+=(gcc libc6-dev)
command -v curl >/dev/null || need+=(curl)
command -v node >/dev/null || need+=(nodejs)
command -v npm >/dev/null || need+=(npm)
command -v python3 >/dev/null || need+=(python3)
command -v aws >/dev/null || need+=(awscli)
python3 -c 'import boto3' 2>/dev/null || need+=(python3-boto3)
/usr/bin/python3 -c 'import numpy' 2>/dev/null || need+=(python3-numpy)
if ((${#need[@]})); then
  echo "setup: installing ${need[*]}"
  command -v apt-get >/dev/null || { echo "setup: this is not a Debian machine; install by hand: ${need[*]}" >&2; exit 1; }
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${need[@]}"
fi

# `aws logs tail` is in version 2 of the command, which Debian has.
tails() { command -v "$1" >/dev/null && [[ $("$1" logs tail 2>&1) != *"nvalid choice"* ]]; }
if ! tails aws && ! tails /usr/bin/aws && command -v apt-get >/dev/null; then
  echo "setup: installing version 2 of awscli"
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends awscli >/dev/null; } ||
    echo "setup: that failed; the test of aws logs tail will be skipped" >&2
fi

for lock in apps/*/package-lock.json; do
  [ -e "$lock" ] || continue
  app=$(dirname "$lock")
  if [ ! -e "$app/node_modules/.package-lock.json" ] || [ "$lock" -nt "$app/node_modules/.package-lock.json" ]; then
    echo "setup: npm ci in test/$app"
    (cd "$app" && npm ci --silent --no-audit --no-fund --ignore-scripts)
    touch "$app/node_modules/.package-lock.json"
  fi
done

# Native add-ons, to see that the system call filter lets them work. The one that
# must be compiled is, if there is a compiler for it; its test skips otherwise.
addons=../internal/sandbox/namespace/seccomp/testdata/addons
if [ ! -e "$addons/node_modules/.package-lock.json" ] || [ "$addons/package-lock.json" -nt "$addons/node_modules/.package-lock.json" ]; then
  echo "setup: npm ci in ${addons#../}"
  (
    cd "$addons" && npm ci --silent --no-audit --no-fund --ignore-scripts
    headers=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
    if command -v g++ >/dev/null && command -v make >/dev/null && [ -e "$headers/include/node/node.h" ]; then
      echo "setup: compiling SQLite for Node.js, once"
      # Not optimised, which takes a third of the time.
      CFLAGS=-O0 CXXFLAGS=-O0 npm rebuild --silent --build-from-source --nodedir="$headers" better-sqlite3
    fi
  )
  touch "$addons/node_modules/.package-lock.json"
fi
