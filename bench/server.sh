# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What bench/run and bench/peers/run share: the release build, and a private PostgreSQL with stated settings.
# The caller has set `program` (its name in messages), `root` (of the tree), `build` (a finished build, or nothing);
# `start_server` sets `home` (folder of the data and the socket), `clean_up` stops the server and deletes it.
home=
bin=

die() {
    echo "$program: $*" >&2
    exit 70
}

# The newest server installed.
find_server() {
    local candidate
    for candidate in ${GANGER_PG_BIN:-} $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V -r || true); do
        if [ -x "$candidate/initdb" ] && [ -x "$candidate/postgres" ]; then
            echo "$candidate"
            return
        fi
    done
    command -v initdb >/dev/null || die "no PostgreSQL server found: set GANGER_PG_BIN to its bin folder"
    dirname "$(command -v initdb)"
}

# The server refuses to run as root.
as_server_user() {
    if [ "$(id -u)" -ne 0 ]; then
        "$@"
    else
        setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/tmp "$@"
    fi
}

clean_up() {
    if [ -n "$home" ]; then
        "$root/tests/support/pgbouncer.sh" stop "$home" || true
        if [ -f "$home/data/postmaster.pid" ]; then
            (cd / && as_server_user "$bin/pg_ctl" -s -w -t 60 -D "$home/data" -m immediate stop) || true
        fi
        rm -rf "$home"
    fi
}

build_release() {
    local log
    if [ -n "$build" ]; then
        return
    fi
    build=$root/build/release
    log=$(mktemp /tmp/ganger-build.XXXXXX)
    if ! (cd "$root" && cmake --preset release && ninja -C "$build" -j2) >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        rm -f "$log"
        die "the build failed"
    fi
    rm -f "$log"
}

# What is not named here stands at PostgreSQL's default; fsync and synchronous_commit are named because they decide.
start_server() {
    home=$(mktemp -d "${GANGER_BENCH_PLACE:-/var/tmp}/gbench.XXXXXX")
    chmod 0755 "$home"
    if [ "$(id -u)" -eq 0 ]; then
        chown postgres: "$home"
    fi
    (cd / && as_server_user "$bin/initdb" -D "$home/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8) \
        >"$home/initdb.log" 2>&1 || {
        tail -n 20 "$home/initdb.log" >&2
        die "initdb failed"
    }
    as_server_user tee -a "$home/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '$home'
fsync = on
synchronous_commit = on
shared_buffers = 1GB
max_wal_size = 4GB
CONF
    if [ -n "${GANGER_BENCH_CONF:-}" ]; then
        as_server_user tee -a "$home/data/postgresql.conf" <"$GANGER_BENCH_CONF" >/dev/null
    fi
    (cd / && as_server_user "$bin/pg_ctl" -s -w -t 60 -D "$home/data" -l "$home/server.log" start) || {
        cat "$home/server.log" >&2
        die "the server did not start"
    }
}
