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

# shellcheck source=tests/support/server.sh
. "$root/tests/support/server.sh"

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
    cat - "${GANGER_BENCH_CONF:-/dev/null}" <<CONF | make_cluster "$bin" "$home" "$home/initdb.log"
fsync = on
synchronous_commit = on
shared_buffers = 1GB
max_wal_size = 4GB
CONF
    start_cluster "$bin" "$home"
}
