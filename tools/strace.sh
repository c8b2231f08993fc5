#!/usr/bin/env bash
# The kill sweep injects its faults with strace where it is present. Get it, or say why not; never fail.
command -v strace >/dev/null && exit 0
if [ "$(id -u)" != 0 ]; then
    why="not root"
elif ! command -v apt-get >/dev/null; then
    why="no apt-get"
elif { apt-get install -y -qq strace || { apt-get update -qq && apt-get install -y -qq strace; }; } >/dev/null 2>&1; then
    exit 0
else
    why="apt-get install strace failed"
fi
echo "strace is missing ($why): the kill sweep uses the fault-injecting store instead."
