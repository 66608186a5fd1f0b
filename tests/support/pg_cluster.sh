#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A private PostgreSQL for one run of the tests.
#
#   pg_cluster.sh start PLACE   makes a cluster in a temporary folder and starts it
#   pg_cluster.sh stop PLACE    stops and deletes it
#   pg_cluster.sh run COMMAND   starts one, runs COMMAND with GANGER_TEST_PG set, stops it whatever happens
#   pg_cluster.sh halt PLACE    stops it at once (as a crash does) and keeps it
#   pg_cluster.sh resume PLACE  starts it again
#
# PLACE is a folder that remembers it: PLACE/home is the temporary folder, PLACE/conninfo what a client needs
# but the database name. Tests find PLACE in GANGER_TEST_PG. Only a unix socket is opened; fsync is off, unless
# GANGER_TEST_FSYNC=on.
set -euo pipefail

die() {
    echo "pg_cluster.sh: $*" >&2
    exit 1
}

. "$(dirname "$0")/server.sh"

start() {
    local place=$1 bin home
    stop "$place"
    bin=$(find_server)
    mkdir -p "$place"
    # A socket's path may have 107 bytes, so it does not stand in the build folder.
    home=$(mktemp -d /tmp/gpg.XXXXXX)
    echo "$home" >"$place/home"
    echo "$bin" >"$place/bin"
    make_cluster "$bin" "$home" "$place/initdb.log" --no-sync <<CONF
max_connections = 200
shared_buffers = 128MB
fsync = ${GANGER_TEST_FSYNC:-off}
full_page_writes = ${GANGER_TEST_FSYNC:-off}
max_wal_size = 2GB
autovacuum_naptime = 10s
log_line_prefix = '%m [%p] %d %a '
log_checkpoints = off
CONF
    start_cluster "$bin" "$home"
    echo "host=$home user=postgres" >"$place/conninfo"
}

halt() {
    local home
    home=$(cat "$1/home")
    cd /
    as_server_user "$(cat "$1/bin")/pg_ctl" -s -w -t 30 -D "$home/data" -m immediate stop
}

resume() {
    start_cluster "$(cat "$1/bin")" "$(cat "$1/home")"
}

stop() {
    local place=$1 home bin
    if [ ! -f "$place/home" ]; then
        return 0
    fi
    home=$(cat "$place/home")
    bin=$(cat "$place/bin")
    rm -f "$place/conninfo"
    case "$home" in
    /tmp/gpg.*) ;;
    *) die "will not delete '$home'" ;;
    esac
    if [ -f "$home/data/postmaster.pid" ]; then
        (cd / && as_server_user "$bin/pg_ctl" -s -w -t 30 -D "$home/data" -m immediate stop) ||
            echo "pg_cluster.sh: the server in $home did not stop in time" >&2
    fi
    if [ -f "$home/server.log" ]; then
        cp "$home/server.log" "$place/server.log"
    fi
    rm -rf "$home"
    rm -f "$place/home"
}

run() {
    place=$(mktemp -d /tmp/gpl.XXXXXX)
    trap 'stop "$place"; rm -rf "$place"' EXIT
    trap 'exit 130' INT TERM
    (start "$place")
    GANGER_TEST_PG=$place "$@"
}

[ $# -ge 2 ] || die "usage: pg_cluster.sh start|stop|halt|resume PLACE, or run COMMAND..."
action=$1
shift
case "$action" in
start | stop | halt | resume) "$action" "$1" ;;
run) run "$@" ;;
*) die "unknown action '$action'" ;;
esac
