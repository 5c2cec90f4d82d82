#!/bin/sh
# Makes sure that a nats-server is here for the tests of wake-ups; without one they are skipped.
set -eu
if command -v nats-server >/dev/null; then
    exit 0
fi
if command -v apt-get >/dev/null; then
    if [ "$(id -u)" = 0 ]; then sudo=""; else sudo="sudo -n"; fi
    $sudo apt-get update -qq && $sudo apt-get install -y -qq nats-server >/dev/null && exit 0
fi
echo "No nats-server: the tests of KAIWA_BUS_URL will be skipped." >&2
