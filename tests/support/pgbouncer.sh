#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A private PgBouncer in transaction mode before a private PostgreSQL.
#
#   pgbouncer.sh start PLACE HOST  starts one for the server whose unix socket is in the folder HOST
#   pgbouncer.sh stop PLACE        stops and deletes it
#   pgbouncer.sh halt PLACE        kills it and keeps its folder
#   pgbouncer.sh resume PLACE      starts it again
#   pgbouncer.sh check PLACE       does nothing
#
# PLACE is a folder that remembers it: PLACE/pooler is its own folder, PLACE/pooler_conninfo what a client needs but role and
# database. Only a unix socket is opened. Exit code 77: PgBouncer is not installed.
#
# GANGER_POOL_SIZE connections to the server (default 2: fewer than a node has, so that each of its transactions may meet another
# one).
set -euo pipefail

die() {
    echo "pgbouncer.sh: $*" >&2
    exit 1
}

# Debian has it where only root's PATH leads.
find_program() {
    PATH=$PATH:/usr/sbin:/usr/local/sbin command -v pgbouncer || {
        echo "pgbouncer.sh: PgBouncer is not installed (scripts/setup)" >&2
        exit 77
    }
}

# PgBouncer, too, refuses to run as root: as_server_user.
# shellcheck source=tests/support/server.sh
. "$(dirname "$0")/server.sh"

is_answering() {
    psql -XqAt -d "$(cat "$1/pooler_conninfo") user=postgres dbname=pgbouncer" -c 'show version' >/dev/null 2>&1
}

launch() {
    local program home
    program=$(find_program)
    home=$(cat "$1/pooler")
    rm -f "$home/pgbouncer.pid" # a killed one may be a zombie yet, which it would take for a running one
    (cd "$home" && as_server_user "$program" -q -d "$home/pgbouncer.ini")
    for _ in {1..200}; do
        if is_answering "$1"; then
            return
        fi
        sleep 0.05
    done
    cat "$home/pgbouncer.log" >&2
    die "PgBouncer does not answer"
}

start() {
    local place=$1 host=$2 home
    stop "$place"
    find_program >/dev/null
    mkdir -p "$place"
    home=$(mktemp -d /tmp/gpb.XXXXXX)
    chmod 0755 "$home"
    echo "$home" >"$place/pooler"
    echo "host=$home port=6432" >"$place/pooler_conninfo"
    # Every role but postgres is looked up in the server, so tests can make some. After an outage of the server it tries again within
    # a second, not 15.
    echo '"postgres" ""' >"$home/users"
    cat >"$home/pgbouncer.ini" <<CONF
[databases]
* = host=$host auth_user=postgres
[pgbouncer]
pool_mode = transaction
default_pool_size = ${GANGER_POOL_SIZE:-2}
listen_addr =
listen_port = 6432
unix_socket_dir = $home
auth_type = trust
auth_file = $home/users
auth_query = select rolname, '' from pg_roles where rolname = \$1
admin_users = postgres
server_login_retry = 1
logfile = $home/pgbouncer.log
pidfile = $home/pgbouncer.pid
log_connections = 0
log_disconnections = 0
CONF
    if [ "$(id -u)" -eq 0 ]; then
        chown -R postgres: "$home"
    fi
    launch "$place"
}

# Returns when it is gone.
end() {
    local pid
    pid=$(cat "$(cat "$1/pooler")/pgbouncer.pid" 2>/dev/null) || return 0
    as_server_user kill "-$2" "$pid" 2>/dev/null || return 0
    for _ in {1..200}; do
        if [ ! -e "/proc/$pid/exe" ]; then # a zombie has none
            return
        fi
        sleep 0.05
    done
    die "process $pid does not end"
}

stop() {
    local place=$1 home
    if [ ! -f "$place/pooler" ]; then
        return 0
    fi
    home=$(cat "$place/pooler")
    case "$home" in
    /tmp/gpb.*) ;;
    *) die "will not delete '$home'" ;;
    esac
    end "$place" KILL
    rm -rf "$home"
    rm -f "$place/pooler" "$place/pooler_conninfo"
}

[ $# -ge 2 ] || die "usage: pgbouncer.sh start PLACE HOST, or stop|halt|resume|check PLACE"
case "$1" in
start) start "$2" "${3:?the folder of the server\'s socket}" ;;
stop) stop "$2" ;;
check) find_program >/dev/null ;;
halt) end "$2" KILL ;;
resume) launch "$2" ;;
*) die "unknown action '$1'" ;;
esac
