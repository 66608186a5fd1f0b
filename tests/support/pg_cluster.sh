#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A private PostgreSQL for one run of the tests.
#
#   pg_cluster.sh start PLACE   makes a cluster in a temporary folder and starts it
#   pg_cluster.sh stop PLACE    stops and deletes it
#   pg_cluster.sh run COMMAND   starts one, runs COMMAND with GANGER_TEST_PG set, stops it whatever happens
#   pg_cluster.sh halt PLACE    stops it at once (as a crash does) and keeps it
#   pg_cluster.sh resume PLACE  starts it again
#   pg_cluster.sh kill PLACE    SIGKILL to all its processes at once, as when the machine loses its power
#   pg_cluster.sh clone PLACE FROM   makes a cluster that is a streaming standby of the one of PLACE FROM, and starts it
#   pg_cluster.sh promote PLACE      a standby becomes a primary
#   pg_cluster.sh detach PLACE       a standby receives no more
#   pg_cluster.sh attach PLACE FROM  and receives again
#
# PLACE is a folder that remembers it: PLACE/home is the temporary folder, PLACE/conninfo what a client needs
# but the database name. Tests find PLACE in GANGER_TEST_PG. Only a unix socket is opened; fsync is off, unless
# GANGER_TEST_FSYNC=on. GANGER_TEST_CONF: further lines of configuration. GANGER_TEST_ROOM: the size of a tmpfs the
# cluster is made in, as 200M; needs root.
# GANGER_TEST_LISTEN: addresses to listen on as well, from where everyone is let in: set it in a network namespace
# only. GANGER_TEST_SERVER_ENV: "NAME=value ..." for the server's environment.
set -euo pipefail

die() {
    echo "pg_cluster.sh: $*" >&2
    exit 1
}

. "$(dirname "$0")/server.sh"

# make_home PLACE: the temporary folder of a new cluster.
make_home() {
    local place=$1 home
    mkdir -p "$place"
    # A socket's path may have 107 bytes, so it does not stand in the build folder.
    home=$(mktemp -d /tmp/gpg.XXXXXX)
    echo "$home" >"$place/home"
    find_server >"$place/bin"
    if [ -n "${GANGER_TEST_ROOM:-}" ]; then
        mount -t tmpfs -o "size=$GANGER_TEST_ROOM" ganger-test "$home" || die "no tmpfs can be mounted"
    fi
}

start() {
    local place=$1 bin home
    stop "$place"
    make_home "$place"
    home=$(cat "$place/home")
    bin=$(cat "$place/bin")
    make_cluster "$bin" "$home" "$place/initdb.log" --no-sync <<CONF
max_connections = 200
max_prepared_transactions = 5
shared_buffers = 128MB
fsync = ${GANGER_TEST_FSYNC:-off}
full_page_writes = ${GANGER_TEST_FSYNC:-off}
max_wal_size = 2GB
autovacuum_naptime = 10s
log_line_prefix = '%m [%p] %d %a '
log_checkpoints = off
${GANGER_TEST_CONF:-}
CONF
    if [ -n "${GANGER_TEST_LISTEN:-}" ]; then
        echo "host all all all trust" | as_server_user tee -a "$home/data/pg_hba.conf" >/dev/null
    fi
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

# All its processes: who was asked for by a client is a child of the first. That one is stopped first, so that it
# makes no others meanwhile.
kill_all() {
    local home pid children left
    home=$(cat "$1/home")
    pid=$(head -n 1 "$home/data/postmaster.pid" 2>/dev/null) || return 0
    kill -STOP "$pid" 2>/dev/null || return 0
    children=$(grep -lsE "^PPid:[[:space:]]+$pid\$" /proc/[0-9]*/status | sed -E 's,/proc/([0-9]+)/.*,\1,' || true)
    # shellcheck disable=SC2086 # one word for each
    kill -KILL $pid $children 2>/dev/null || true
    for _ in $(seq 1000); do
        left=$(for each in $pid $children; do
            grep -sE '^State:[[:space:]]+[^ZX]' "/proc/$each/status" || true
        done)
        if [ -z "$left" ]; then
            # A zombie that nobody has waited for would pass for a living server.
            rm -f "$home/data/postmaster.pid" "$home"/.s.PGSQL.*
            return 0
        fi
        sleep 0.01
    done
    die "the server in $home is still there"
}

# receive_from PLACE FROM: where a standby gets its WAL from; with no FROM nowhere.
receive_from() {
    local home bin source=""
    home=$(cat "$1/home")
    bin=$(cat "$1/bin")
    if [ -n "${2:-}" ]; then
        source="host=$(cat "$2/home") user=postgres application_name=standby"
    fi
    echo "primary_conninfo = '$source'" | as_server_user tee "$home/data/standby.conf" >/dev/null
    if [ -f "$home/data/postmaster.pid" ]; then
        (cd / && as_server_user "$bin/pg_ctl" -s -D "$home/data" reload)
    fi
}

clone() {
    local place=$1 from=$2 bin home was=""
    if [ -f "$place/home" ]; then
        was=$(cat "$place/home")
    fi
    stop "$place"
    make_home "$place"
    home=$(cat "$place/home")
    # Clients know it by its socket: a server that is made anew is where it was.
    if [ -n "$was" ] && ! mountpoint -q "$home"; then
        mv -T "$home" "$was"
        home=$was
        echo "$home" >"$place/home"
    fi
    bin=$(cat "$place/bin")
    chmod 0755 "$home"
    if [ "$(id -u)" -eq 0 ]; then
        chown postgres: "$home"
    fi
    (cd / && as_server_user "$bin/pg_basebackup" -d "$(cat "$from/conninfo")" -D "$home/data" -X stream -c fast --no-sync)
    # The primary's own settings of ALTER SYSTEM are not those of its standby.
    as_server_user truncate -s 0 "$home/data/postgresql.auto.conf"
    printf "unix_socket_directories = '%s'\ninclude_if_exists = 'standby.conf'\n" "$home" |
        as_server_user tee -a "$home/data/postgresql.conf" >/dev/null
    as_server_user touch "$home/data/standby.signal"
    receive_from "$place" "$from"
    start_cluster "$bin" "$home"
    echo "host=$home user=postgres" >"$place/conninfo"
}

promote() {
    (cd / && as_server_user "$(cat "$1/bin")/pg_ctl" -s -w -t 60 -D "$(cat "$1/home")/data" promote)
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
    if mountpoint -q "$home"; then
        umount "$home"
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

[ $# -ge 2 ] || die "usage: pg_cluster.sh ACTION PLACE [FROM], or run COMMAND..."
action=$1
shift
case "$action" in
start | stop | halt | resume | promote) "$action" "$1" ;;
kill) kill_all "$1" ;;
clone) clone "$1" "$2" ;;
detach) receive_from "$1" ;;
attach) receive_from "$1" "$2" ;;
run) run "$@" ;;
*) die "unknown action '$action'" ;;
esac
