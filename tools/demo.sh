#!/usr/bin/env bash
# Both halves of the demo: tools/demo.sh /path/to/tsuzuki. Fails if the crash or the proof does not come.
set -uo pipefail
tsuzuki=$1
folder=.demo
rm -rf "$folder" && mkdir -p "$folder" && cd "$folder" || exit 1

say() { printf '\n\033[1m%s\033[0m\n' "$*" >&2; }

say '$ tsuzuki demo --crash-after 7'
"$tsuzuki" demo --crash-after 7
code=$?
if [ "$code" -ne 137 ]; then
    echo "expected exit code 137 (SIGKILL), got $code" >&2
    exit 1
fi
echo "exit code 137: killed by SIGKILL, half way" >&2

say '$ tsuzuki demo'
"$tsuzuki" demo
