#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The ganger command from outside: exit codes, what is printed and what is said, against a database without gangerd.
set -euo pipefail

ganger=$GANGER_BIN_DIR/ganger
place=$(mktemp -d /tmp/ganger-cli.XXXXXX)
databases=()
failures=0
unset DATABASE_URL

cleanup() {
    local url
    for url in ${databases[@]+"${databases[@]}"}; do
        "$GANGER_FRESH_DB" drop "$url"
    done
    rm -rf "$place"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# make_database create|empty: sets DATABASE_URL
make_database() {
    DATABASE_URL=$("$GANGER_FRESH_DB" "$1")
    export DATABASE_URL
    databases+=("$DATABASE_URL")
}

complain() {
    echo "not ok: $1"
    sed 's/^/  out: /' "$place/out"
    sed 's/^/  err: /' "$place/err"
    failures=$((failures + 1))
}

# expect CODE NAME ARGUMENTS...: runs ganger; its output is in $place/out and $place/err.
expect() {
    local wanted=$1 name=$2 code=0
    shift 2
    "$ganger" "$@" >"$place/out" 2>"$place/err" </dev/null || code=$?
    [ "$code" -eq "$wanted" ] || complain "$name: exit code $code, not $wanted"
}

# says out|err TEXT: the last run printed it.
says() {
    grep -qF -- "$2" "$place/$1" || complain "'$2' is not in $1"
}

says_not() {
    ! grep -qF -- "$2" "$place/$1" || complain "'$2' is in $1"
}

run_sql() {
    psql -XqAt -v ON_ERROR_STOP=1 -d "$DATABASE_URL" -c "$1"
}

test_migrate_sql() {
    make_database empty
    expect 1 "status of an empty database" migrate status
    expect 0 "sql" migrate sql
    psql -Xq -v ON_ERROR_STOP=1 -d "$DATABASE_URL" -f "$place/out" >/dev/null 2>&1
    expect 0 "status after psql" migrate status
    says_not out pending
    says_not out changed
    expect 0 "up after psql" migrate up
    says out "nothing to do"
}

# Installed, ganger-bench stands in libexec/ganger and gangerd in bin. A gangerd that ends at once shows it was found.
test_bench_finds_gangerd() {
    make_database create
    mkdir -p "$place/bin" "$place/libexec/ganger"
    cp "$GANGER_BIN_DIR/ganger" "$place/bin"
    cp "$GANGER_BIN_DIR/ganger-bench" "$place/libexec/ganger"
    printf '#!/bin/sh\nexit 1\n' >"$place/bin/gangerd"
    chmod +x "$place/bin/gangerd"
    ganger=$place/bin/ganger expect 70 "bench, installed" bench --quick latency
    says err "gangerd has ended"
}

test_migrate_sql
test_bench_finds_gangerd

if [ "$failures" -gt 0 ]; then
    echo "$failures failures"
    exit 1
fi
