#!/usr/bin/env bash
# The tests of the web page drive Chromium where it is present. Get it, or say why not; never fail.
for name in chromium chromium-browser google-chrome; do command -v "$name" >/dev/null && exit 0; done
if [ "$(id -u)" != 0 ]; then
    why="not root"
elif ! command -v apt-get >/dev/null; then
    why="no apt-get"
elif { apt-get install -y -qq chromium || { apt-get update -qq && apt-get install -y -qq chromium; }; } >/dev/null 2>&1; then
    exit 0
else
    why="apt-get install chromium failed"
fi
echo "Chromium is missing ($why): the tests of the web page are skipped."
