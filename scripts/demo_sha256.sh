#!/bin/sh
# SPDX-License-Identifier: MIT
# Handler of scripts/demo: reads {"path": "..."} and prints {"sha256": "...", "bytes": n}.
# Exit codes say what becomes of the job: 0 completed, 100 discarded (no retry), others an error.
set -eu

# jsonb is printed in one form, so sed can read this one string; \" and \\ are the escapes a path has.
path=$(sed -n 's/^.*"path": "\(\([^"\\]\|\\.\)*\)".*$/\1/p' | sed 's/\\\(["\\]\)/\1/g')
if [ ! -f "$path" ]; then
    echo "no such file: $path" >&2
    exit 100
fi
sum=$(sha256sum <"$path")
bytes=$(wc -c <"$path")
printf '{"sha256": "%s", "bytes": %d}\n' "${sum%% *}" "$bytes"
