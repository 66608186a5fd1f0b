#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs one pgTAP file in a fresh migrated database: run_sql_test.sh FRESH_DB FILE
#
# The database has the extension pgtap; the psql variable conninfo tells how to connect to it once more.
set -euo pipefail

fresh_db=$1
file=$2
conninfo=$("$fresh_db" create)
output=$(mktemp)
cleanup() {
    rm -f "$output"
    "$fresh_db" drop "$conninfo"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

export PGOPTIONS="-c client_min_messages=warning"
psql -XqAt -v ON_ERROR_STOP=1 -d "$conninfo" -c 'create extension pgtap'
status=0
(cd "$(dirname "$file")" &&
    psql -XqAt -v ON_ERROR_STOP=1 -v conninfo="$conninfo" -d "$conninfo" -f "$file") 2>&1 | tee "$output" || status=$?
if [ "$status" -ne 0 ]; then
    echo "# psql ended with status $status"
    exit 1
fi
planned=$(sed -nE 's/^1\.\.([0-9]+).*/\1/p' "$output" | head -n 1)
good=$(grep -cE '^ok [0-9]+' "$output" || true)
if [ -z "$planned" ] || [ "$good" -ne "$planned" ]; then
    echo "# $good of ${planned:-an unknown number of} tests passed"
    exit 1
fi
