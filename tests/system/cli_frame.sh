# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the tests of the ganger command share; they source it.

ganger=$GANGER_BIN_DIR/ganger
place=$(mktemp -d /tmp/ganger-cli.XXXXXX)
databases=()
private=
failures=0
unset DATABASE_URL

cleanup() {
    local url
    stop_gangerd
    for url in ${databases[@]+"${databases[@]}"}; do
        "$GANGER_FRESH_DB" drop "$url"
    done
    [ -z "$private" ] || "$GANGER_SOURCE_DIR/tests/support/pg_cluster.sh" stop "$private"
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

# Ends the test: what it needs is not there.
skip() {
    echo "skipped: $1"
    exit 77
}

# A gangerd of the test, whose process stands in $gangerd_pid.
gangerd_pid=
stop_gangerd() {
    [ -z "$gangerd_pid" ] || kill -TERM "$gangerd_pid" 2>/dev/null || true
    [ -z "$gangerd_pid" ] || wait "$gangerd_pid" 2>/dev/null || true
    gangerd_pid=
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

# as_json EXPRESSION WANTED: what the last run printed as JSON; EXPRESSION is SQL over `j`.
as_json() {
    local got
    got=$(run_sql "select $1 from (select \$q\$$(cat "$place/out")\$q\$::jsonb as j) x")
    [ "$got" = "$2" ] || complain "$1 is '$got', not '$2'"
}

finish() {
    if [ "$failures" -gt 0 ]; then
        echo "$failures failures"
        exit 1
    fi
}
