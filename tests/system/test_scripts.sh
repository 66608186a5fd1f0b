#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The project's own scripts: --help is no mistake, and what they do not know they name, before they build anything.
set -euo pipefail
cd "$GANGER_SOURCE_DIR"

failures=0
place=$(mktemp -d /tmp/ganger-scripts.XXXXXX)
trap 'rm -rf "$place"' EXIT

# expect CODE TEXT SCRIPT ARGUMENTS..: what it prints has TEXT.
expect() {
    local wanted=$1 text=$2 code=0
    shift 2
    timeout 20 "scripts/$1" --build-dir "$place/build" "${@:2}" >"$place/out" 2>&1 </dev/null || code=$?
    if [ "$code" -ne "$wanted" ] || ! grep -qF -- "$text" "$place/out" || [ -e "$place/build" ]; then
        echo "not ok: scripts/$*: exit code $code, not $wanted, or without '$text', or it has built something"
        sed 's/^/  /' "$place/out"
        failures=$((failures + 1))
    fi
}

for script in chaos fuzz lint test; do
    expect 0 "--build-dir" "$script" --help
    expect 0 "--build-dir" "$script" -h
    expect 64 "'--nonsense'" "$script" --nonsense
done
expect 64 "'nonsense'" chaos --tier nonsense
expect 64 "'nonsense'" fuzz config nonsense
expect 64 "'nonsense'" lint nonsense
expect 64 "'--no-nonsense'" lint --no-nonsense
[ "$failures" -eq 0 ]
