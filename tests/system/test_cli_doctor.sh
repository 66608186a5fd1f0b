#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ganger doctor from outside: what it prints, and its exit code. What it can find: tests/sql/doctor.sql, test_doctor.c.
set -euo pipefail

. "$GANGER_SOURCE_DIR/tests/system/cli_frame.sh"

# A server of its own: its settings are those of a safe one.
start_server() {
    private=$place/pg
    GANGER_TEST_FSYNC=on "$GANGER_SOURCE_DIR/tests/support/pg_cluster.sh" start "$private"
    psql -XqAt -d "$(cat "$private/conninfo") dbname=postgres" -c 'create database app'
    DATABASE_URL="$(cat "$private/conninfo") dbname=app"
    export DATABASE_URL
}

test_no_schema() {
    expect 1 "without the schema" doctor
    says out "error    program: schema"
    says out "mend: ganger migrate up"
    "$ganger" migrate up >/dev/null 2>&1
}

test_nothing_to_mend() {
    expect 0 "a new database" doctor
    says out "notice   nodes: gangerd"
    says_not out "error"
    says_not out "warning"
    says_not out "ok       program"
    expect 0 "all checks" doctor --all
    says out "ok       program"
    says out "the schema is the one of this program"
    says out "ok       clock_here"
    says out "ok       pooler_here"
    says out "ok       waiting"
    expect 0 "as JSON" doctor --json
    as_json "jsonb_array_length(j) > 24 and j @> '[{\"check_name\": \"server\", \"severity\": \"ok\"}]'" t
    expect 64 "an argument" doctor snapshots
}

test_something_to_mend() {
    run_sql "alter database app set synchronous_commit = off"
    expect 1 "a warning" doctor
    says out "warning  server: synchronous_commit of database app"
    says out "mend: alter database app reset synchronous_commit;"
    expect 1 "the same as JSON" doctor --json
    as_json "j @> '[{\"severity\": \"warning\", \"subject\": \"synchronous_commit of database app\"}]'" t
    run_sql "alter database app reset synchronous_commit"
    expect 0 "mended" doctor
    run_sql "update ganger.migration set sha256 = 'x' where version = 4; insert into ganger.migration (version, name, sha256, duration_ms) values (9000, '9000_later', 'x', 1)"
    expect 1 "another schema" doctor
    says out "error    program: migration 0004_claim"
    says out "warning  program: migration 9000"
    run_sql "delete from ganger.migration where version = 9000"
}

# What a dump makes again is what the migrations have made.
test_restored() {
    local copy
    copy="$(cat "$private/conninfo") dbname=restored"
    run_sql "create database restored"
    "$(cat "$private/bin")/pg_dump" -d "$DATABASE_URL" | psql -XqAt -v ON_ERROR_STOP=1 -d "$copy" >"$place/out" 2>"$place/err" ||
        complain "the dump cannot be restored"
    DATABASE_URL=$copy run_sql "select subject, finding from ganger.doctor() where check_name in ('schema', 'rights') and severity <> 'ok'" >"$place/out"
    [ ! -s "$place/out" ] || complain "a restored schema is found fault with"
    [ "$(DATABASE_URL=$copy run_sql 'select count(*) > 100 from ganger.fingerprint')" = t ] || complain "nothing was compared"
    run_sql "drop database restored"
}

test_rights() {
    run_sql "drop role if exists doctor_nobody; drop role if exists doctor_reader; create role doctor_nobody login; create role doctor_reader login in role ganger_reader"
    DATABASE_URL="$DATABASE_URL user=doctor_nobody" expect 1 "without rights" doctor
    says err "doctor_nobody"
    DATABASE_URL="$DATABASE_URL user=doctor_reader" expect 1 "a reader" doctor --all
    says out "error    program: migration 0004_claim"
}

start_server
test_no_schema
test_nothing_to_mend
test_something_to_mend
test_restored
test_rights

finish
