#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ganger dev from outside: what it makes, what it refuses to touch, and which commands find its database.
set -euo pipefail

ganger=$GANGER_BIN_DIR/ganger
place=$(mktemp -d /tmp/ganger-dev.XXXXXX)
chmod 755 "$place" # as root the server runs as another user
dev_pid=
failures=0
unset DATABASE_URL

cleanup() {
    stop_dev
    rm -rf "$place"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

complain() {
    echo "not ok: $1"
    sed 's/^/  /' "$place/log"
    failures=$((failures + 1))
}

stop_dev() {
    [ -z "$dev_pid" ] || kill -TERM "$dev_pid" 2>/dev/null || true
    [ -z "$dev_pid" ] || wait "$dev_pid" || true
    dev_pid=
}

# await NAME COMMAND...: waits until the command succeeds. The test ends when ganger dev does before, or in a minute.
await() {
    local name=$1 deadline=$((SECONDS + 60))
    shift
    until "$@"; do
        kill -0 "$dev_pid" 2>/dev/null || {
            complain "$name: ganger dev has ended"
            exit 1
        }
        [ $SECONDS -lt $deadline ] || {
            complain "$name: not in time"
            exit 1
        }
        sleep 0.05
    done
}

has_idle_worker() {
    "$ganger" --state "$place/state" workers 2>/dev/null | grep -q idle
}

is_listening() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

has_api_at_socket() {
    curl -sf --unix-socket "$place/state/api.sock" http://localhost/api/jobs | grep -q '"jobs"'
}

# start_dev ARGUMENTS...: returns when a worker is there.
start_dev() {
    "$ganger" dev --state "$place/state" "$@" >"$place/log" 2>&1 </dev/null &
    dev_pid=$!
    await "a worker is there" has_idle_worker
}

# refuses TEXT ARGUMENTS...: ganger ARGUMENTS ends with 1 and says TEXT.
refuses() {
    local text=$1 code=0
    shift
    "$ganger" "$@" >"$place/log" 2>&1 </dev/null || code=$?
    [ "$code" -eq 1 ] || complain "$*: exit code $code"
    grep -qF -- "$text" "$place/log" || complain "$*: does not say '$text'"
}

test_made_and_deleted() {
    start_dev
    grep -qF "ganger --state $place/state enqueue echo" "$place/log" || complain "the banner names the folder"
    ! grep -F metrics.sample_failed "$place/log" || complain "a schema that is not there yet is no failure"
    "$ganger" --state "$place/state" enqueue echo >/dev/null
    stop_dev
    start_dev
    [ -n "$("$ganger" --state "$place/state" jobs list 2>/dev/null)" ] || complain "the data stays"
    stop_dev
    start_dev --reset
    [ -z "$("$ganger" --state "$place/state" jobs list 2>/dev/null)" ] || complain "--reset deletes the data"
    stop_dev
}

test_foreign_cluster() {
    rm "$place/state/pg/ganger-dev"
    refuses "was not made by" dev --state "$place/state"
    refuses "was not made by" dev --state "$place/state" --reset
    [ -f "$place/state/pg/PG_VERSION" ] || complain "the cluster is still there"
}

test_half_a_cluster() {
    mkdir -p "$place/half/pg"
    touch "$place/half/pg/ganger-dev"
    refuses "ganger dev --state $place/half --reset" dev --state "$place/half"
}

test_no_folder() {
    touch "$place/file"
    refuses "is a file" dev --state "$place/file"
}

# Without an echo in the configuration nobody is told to enqueue one.
test_other_config() {
    printf 'database:\n  auto_migrate: true\nsupervisor:\n  state_dir: %s\nhandlers:\n  noop: {plugin: noop.so}\n' \
        "$place/state" >"$place/noop.yaml"
    rm -rf "$place/state"
    start_dev --config "$place/noop.yaml"
    ! grep -q "enqueue echo" "$place/log" || complain "the banner names a job type that is not there"
    stop_dev
}

http_of() { # what the banner says to open
    sed -n 's/^  dashboard *//p' "$place/log"
}

listen_of() { # what the configuration made says
    sed -n 's/^  listen: //p' "$place/state/dev.yaml"
}

test_http() {
    refuses "--http: " dev --state "$place/never" --http foo
    [ ! -e "$place/never" ] || complain "what is refused at once leaves no folder behind"
    refuses "is reached by other machines" dev --state "$place/none" --http 0.0.0.0:9000
    refuses "the port is missing" dev --state "$place/none" --http 127.0.0.1
    [ ! -e "$place/none/pg" ] || complain "nothing is made before the address is known to be good"
    start_dev --no-http
    [ -z "$(http_of)$(listen_of)" ] || complain "--no-http leaves it out"
    stop_dev
    start_dev # on the first free port
    [[ "$(http_of)" =~ ^http://127\.0\.0\.1:[0-9]+/$ ]] || complain "the banner says what to open"
    grep -q '^  auth: none' "$place/state/dev.yaml" || complain "no token is asked for"
    [ "$(http_of)" = "http://$(listen_of | tr -d '"')/" ] || complain "the banner says where it listens"
    port=$(http_of | sed 's|.*:\([0-9]*\)/$|\1|')
    await "the API listens" is_listening "$port"
    refuses "cannot listen on 127.0.0.1:$port" dev --state "$place/none" --http "127.0.0.1:$port"
    stop_dev
    # what --help advises where the machine is shared
    start_dev --http "unix:$place/state/api.sock"
    [ "$(http_of)" = "unix:$place/state/api.sock" ] || complain "the banner names the socket"
    await "the API answers at a unix socket" has_api_at_socket
    stop_dev
}

test_made_and_deleted
test_foreign_cluster
test_half_a_cluster
test_no_folder
test_other_config
test_http

if [ "$failures" -gt 0 ]; then
    echo "$failures failures"
    exit 1
fi
