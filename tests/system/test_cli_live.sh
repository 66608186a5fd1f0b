#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The ganger command while things happen: enqueue --wait, events that come late, the live view.
set -euo pipefail

. "$GANGER_SOURCE_DIR/tests/system/cli_frame.sh"

# shows TEXT [TIMES]: the program that runs beside us prints it, or did.
shows() {
    local deadline=$((SECONDS + 20))
    until [ "$(grep -aoF -- "$1" "$place/out" 2>/dev/null | wc -l)" -ge "${2:-1}" ]; do
        if [ $SECONDS -ge $deadline ]; then
            complain "'$1' was not printed ${2:-1} times"
            return
        fi
        sleep 0.05
    done
}

# await NAME COMMAND...: waits until the command succeeds; the test ends when it does not in a minute.
await() {
    local what=$1 deadline=$((SECONDS + 60))
    shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || {
            complain "$what: not in time"
            exit 1
        }
        sleep 0.02
    done
}

has_newer_job() {
    id=$(run_sql "select coalesce(max(id), 0) from ganger.jobs")
    [ "$id" != "$1" ]
}

# waiting NAME ARGUMENTS...: runs `ganger enqueue --wait ARGUMENTS` beside us, and waits for its job: $id. The end of it: ended CODE.
waiting() {
    name=$1
    local before
    shift
    before=$(run_sql "select coalesce(max(id), 0) from ganger.jobs")
    "$ganger" enqueue --wait "$@" >"$place/out" 2>"$place/err" </dev/null &
    waiter=$!
    await "the job is added" has_newer_job "$before"
}

ended() {
    local code=0
    wait "$waiter" || code=$?
    [ "$code" -eq "$1" ] || complain "$name: exit code $code, not $1"
}

test_wait() {
    waiting "completed" echo
    run_sql "select ganger.complete(id, lease_id, '{\"sum\": 3}') from ganger.claim('w')" >/dev/null
    ended 0
    [ "$(cat "$place/out")" = '{"sum": 3}' ] || complain "the output is printed"
    waiting "completed without an output" echo
    run_sql "select ganger.complete(id, lease_id) from ganger.claim('w')" >/dev/null
    ended 0
    [ ! -s "$place/out" ] || complain "there is nothing to print"
    waiting "failed" echo --max-attempts 1
    run_sql "select ganger.fail(id, lease_id, E'no ink\\nleft') from ganger.claim('w')" >/dev/null
    ended 1
    says err "job $id failed: no ink"
    [ ! -s "$place/out" ] || complain "an error is no output"
    waiting "cancelled, as JSON" echo --json
    run_sql "select ganger.cancel($id)" >/dev/null
    ended 1
    says err "job $id was cancelled"
    as_json "j ->> 'status'" cancelled
    expect 1 "not in time" enqueue echo --wait --wait-timeout 100ms
    says err "is pending, and goes on; \`ganger jobs wait"
    run_sql "select ganger.set_queue('brief', retention => '0 s')" >/dev/null
    waiting "not kept" echo -q brief
    run_sql "select ganger._finish_completed(array[id], array[lease_id], '{null}', '{1}', '{0}', '{null}', '{null}', '{null}')
             from ganger.claim('w', '{brief}')" >/dev/null
    ended 76
    says err "job $id has ended, and is not kept"
    expect 64 "for how long of what" enqueue echo --wait-timeout 1s
    says err "--wait-timeout is for --wait"
    expect 64 "many" enqueue --many - --wait
    says err "--wait has no place there"
}

# An event that comes late has a lower number than one that was told.
test_late_event() {
    local job told
    job=$("$ganger" enqueue a)
    "$ganger" jobs tail "$job" >"$place/out" 2>"$place/err" &
    told=$!
    shows added
    run_sql "select ganger._take_seqs(10); insert into ganger.event (id, job_id, event) values ($job + 9, $job, 'edited')" >/dev/null
    shows edited
    run_sql "insert into ganger.event (id, job_id, event) values ($job + 1, $job, 'progress')" >/dev/null
    shows progress
    run_sql "select ganger.cancel($job)" >/dev/null
    wait "$told" || complain "following: exit code $?"
    [ "$(awk '{ print $3 }' "$place/out" | tr '\n' ' ')" = "added edited progress cancelled " ] || complain "each event once, the late one too"
}

test_api_tokens() {
    local token code=0
    expect 0 "none" api-tokens
    says err "no tokens; \`ganger api-tokens create NAME --scope read\` makes one"
    expect 0 "make one" api-tokens create shop --scope enqueue --scope read --owner ann --queues mail --queues 'sms,fax' --expires 90d
    token=$(cat "$place/out")
    [[ $token =~ ^gng_[A-Za-z0-9_-]{43}$ ]] || complain "43 letters after the prefix"
    [ "$(run_sql "select scopes::text || owner || queues::text || (expires_at - created_at between '89 days 23:59' and '90 days')::text
                  from ganger.api_token where sha256 = sha256('$token')")" = "{enqueue,read}ann{mail,sms,fax}true" ] ||
        complain "it is known by its hash, with what it may do"
    [ -z "$(pg_dump "$DATABASE_URL" 2>/dev/null | grep -F "${token#gng_}" || true)" ] || complain "the database has the token"
    expect 0 "another, as JSON" api-tokens create ops --scope admin --json
    as_json "j ->> 'name' || (j ->> 'token' ~ '^gng_.{43}\$')::text || (j -> 'expires_at')::text" opstruenull
    [ "$(cat "$place/out")" != "$token" ] || complain "each is another"
    expect 1 "a name that is taken" api-tokens create shop --scope read
    says err 'there is a token "shop" already'
    expect 0 "list" api-tokens
    says out "enqueue,read"
    says out "mail,sms,fax"
    says_not out gng_
    expect 0 "by name and by number" api-tokens revoke shop 2
    says out "token 'shop' revoked"
    expect 0 "again" api-tokens revoke 1
    says out "was revoked already"
    expect 1 "nobody's" api-tokens revoke nope
    says err "there is no token 'nope'"
    expect 0 "nothing is left" api-tokens list
    says_not out shop
    expect 0 "but with --all" api-tokens list --all --json
    as_json "jsonb_path_query_array(j, '\$[*].state')" '["revoked", "revoked"]'
    expect 64 "for what" api-tokens create shop
    says err "say what the token may do: --scope"
    expect 64 "a scope nobody knows" api-tokens create shop --scope write
    says err "--scope 'write' is none of: read enqueue work operate admin"
    expect 64 "the other tokens" tokens create --scope read
    says err "the tokens of the HTTP API are made by 'api-tokens create'"
    expect 64 "the other tokens" tokens revoke x
    says err "those of the HTTP API are revoked by 'api-tokens revoke'"
    "$ganger" api-tokens create full --scope read >/dev/full 2>"$place/err" || code=$?
    [ "$code" -eq 70 ] || complain "a full disk: exit code $code"
    says err "nobody knows it"
}

# live: starts `ganger top` in a terminal of 90 x 24, whose keys come from descriptor 7. What it shows is in $place/out, how it ended and the
# terminal before and after in code, before, after.
live() {
    rm -f "$place"/{keys,out,code,before,after,pid,tty}
    mkfifo "$place/keys"
    cat >"$place/live.sh" <<SCRIPT
cd "$place"
stty rows 24 cols 90
stty -g >before
tty >tty
code=0
sh -c 'echo \$\$ >pid; ulimit -c 0; exec "$ganger" top --interval 250ms' || code=\$?
stty -g >after
echo \$code >code
SCRIPT
    SHELL=/bin/sh timeout 60 script -qfec "sh '$place/live.sh'" "$place/out" <"$place/keys" >/dev/null 2>&1 &
    screen=$!
    exec 7>"$place/keys"
    shows "Nodes and workers"
}

# left_with CODE NAME: it has ended so, and the terminal is as it was.
left_with() {
    wait "$screen" || true
    exec 7>&-
    [ "$(cat "$place/code")" = "$1" ] || complain "$2: exit code $(cat "$place/code"), not $1"
    cmp -s "$place/before" "$place/after" || complain "$2: the terminal is not as it was"
    [ "$(grep -aoF $'\033[?1049h' "$place/out" | wc -l)" = "$(grep -aoF $'\033[?1049l' "$place/out" | wc -l)" ] ||
        complain "$2: the screen is not given back"
}

test_failures() {
    local group
    expect 0 "none of another type" failures --job-type nosuch
    says err "no failures"
    run_sql "select ganger.enqueue('ink', max_attempts => 1) from generate_series(1, 3)" >/dev/null
    run_sql "select ganger.fail(id, lease_id, 'no ink in printer ' || id) from ganger.claim('w', job_types => '{ink}', max_jobs => 3)" >/dev/null
    expect 0 "by message" failures --job-type ink --since 1h
    says out "no ink in printer *"
    group=$(sed -nE 's/^([0-9a-f]{12}) +3 +0 .*/\1/p' "$place/out")
    expect 0 "its jobs" jobs list --error-group "$group" --json
    as_json "jsonb_array_length(j)" 3
    expect 0 "all of them again" jobs retry --status failed --error-group "$group"
    says out "3 jobs will run again"
    expect 64 "since when" failures --since yesterday
    says err "--since 'yesterday'"
}

test_top_keys() {
    live
    run_sql "select ganger.enqueue('resize', queue => 'images'); select ganger.enqueue('mail', max_attempts => 1);
             select ganger.fail(id, lease_id, 'no ink in printer 12') from ganger.claim('w');
             select ganger.enqueue('mail')" >/dev/null
    shows "no ink in printer *"
    shows "images"
    shows "> Queues (2)"
    printf '\t' >&7
    shows "> Nodes and workers"
    printf '\033[C' >&7
    shows "> Failures of an hour (1)"
    printf '/ima' >&7
    shows "filter: ima_"
    shows "Queues (1)"
    printf '\033' >&7
    shows "> Failures of an hour (1)" 2
    printf '?' >&7
    shows "Any key goes back."
    printf ' +' >&7
    stty -F "$(cat "$place/tty")" cols 40 rows 10
    shows "…"
    printf 'q' >&7
    left_with 0 "q"
}

test_top_signals() {
    local number
    for number in 15 11; do
        live
        kill -"$number" "$(cat "$place/pid")"
        left_with $((128 + number)) "signal $number"
    done
    live
    kill -TSTP "$(cat "$place/pid")"
    shows $'\033[?1049l'
    await "Ctrl-Z stops it" grep -q '^State:.*T' "/proc/$(cat "$place/pid")/status"
    kill -CONT "$(cat "$place/pid")"
    shows $'\033[?1049h' 2
    shows "Nodes and workers" 2
    printf 'q' >&7
    left_with 0 "Ctrl-Z, and on"
}

# The view outlasts a database that is away.
test_top_outage() {
    local name=${DATABASE_URL##*dbname=} server=${DATABASE_URL%dbname=*}dbname=postgres
    live
    psql -XqAt -d "$server" -c "alter database $name allow_connections false" \
        -c "select pg_terminate_backend(pid) from pg_stat_activity where datname = '$name'" >/dev/null
    shows "no database: "
    psql -XqAt -d "$server" -c "alter database $name allow_connections true"
    run_sql "select ganger.pause_queue('back again')" >/dev/null
    shows "back again"
    printf 'q' >&7
    left_with 0 "after an outage"
}

test_top() {
    make_database create
    expect 0 "no terminal" top
    says out "> Queues (0)"
    says_not out $'\033'
    expect 0 "as JSON" top --json
    as_json "(j #>> '{overview,counts,pending}') || jsonb_array_length(j #> '{throughput,at}') || jsonb_array_length(j -> 'workers')" 01200
    expect 64 "too often" top --interval 10ms
    says err "--interval '10ms' is not from 250ms to 1m"
    if ! command -v script >/dev/null; then
        echo "not tried: ganger top in a terminal, as there is no program \`script\` (package bsdutils)"
        return
    fi
    test_top_keys
    test_top_signals
    test_top_outage
}

make_database create
test_wait
test_late_event
test_api_tokens
test_failures
test_top

finish
