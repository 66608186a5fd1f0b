# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A private PostgreSQL: what the tests' (tests/support/pg_cluster.sh, pgbouncer.sh) and the benchmark's (bench/server.sh) have in common.
# Sourced; the caller has die.

# Prints the folder with the programs of the newest server installed.
find_server() {
    local candidate
    for candidate in ${GANGER_PG_BIN:-} $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V -r || true); do
        if [ -x "$candidate/initdb" ] && [ -x "$candidate/postgres" ]; then
            echo "$candidate"
            return
        fi
    done
    if command -v initdb >/dev/null && command -v postgres >/dev/null; then
        dirname "$(command -v initdb)"
        return
    fi
    die "no PostgreSQL server found: install one (scripts/setup), or set GANGER_PG_BIN to its bin folder"
}

# The server refuses to run as root.
as_server_user() {
    if [ "$(id -u)" -ne 0 ]; then
        "$@"
    else
        setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/tmp "$@"
    fi
}

# make_cluster BIN HOME LOG [OPTION..]: HOME/data, whose only way in is the socket in HOME. Options are initdb's. The
# caller's standard input is what else stands in its configuration.
make_cluster() {
    local bin=$1 home=$2 log=$3
    shift 3
    chmod 0755 "$home"
    if [ "$(id -u)" -eq 0 ]; then
        chown postgres: "$home"
    fi
    (cd / && as_server_user "$bin/initdb" -D "$home/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 "$@") \
        >"$log" 2>&1 </dev/null || {
        cat "$log" >&2
        die "initdb failed"
    }
    {
        printf "listen_addresses = ''\nunix_socket_directories = '%s'\n" "$home"
        cat
    } | as_server_user tee -a "$home/data/postgresql.conf" >/dev/null
}

start_cluster() {
    local bin=$1 home=$2 options=()
    if [ -n "${GANGER_TEST_LISTEN:-}" ]; then
        options=(-o "-c listen_addresses='$GANGER_TEST_LISTEN'")
    fi
    # What is in this variable are words.
    # shellcheck disable=SC2086
    (cd / && as_server_user env ${GANGER_TEST_SERVER_ENV:-} "$bin/pg_ctl" -s -w -t 60 -D "$home/data" -l "$home/server.log" \
        "${options[@]}" start) || {
        cat "$home/server.log" >&2
        die "the server did not start"
    }
}
