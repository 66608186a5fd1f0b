#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The ganger command while things happen: enqueue --wait, events that come late, the live view.
set -euo pipefail

. "$GANGER_SOURCE_DIR/tests/system/cli_frame.sh"

# waiting NAME ARGUMENTS...: runs `ganger enqueue --wait ARGUMENTS` beside us, and waits for its job: $id. The end of it: ended CODE.
waiting() {
    name=$1
    local before
    shift
    before=$(run_sql "select coalesce(max(id), 0) from ganger.jobs")
    "$ganger" enqueue --wait "$@" >"$place/out" 2>"$place/err" </dev/null &
    waiter=$!
    id=$before
    until [ "$id" != "$before" ]; do
        id=$(run_sql "select coalesce(max(id), 0) from ganger.jobs")
    done
}

ended() {
    local code=0
    wait "$waiter" || code=$?
    [ "$code" -eq "$1" ] || complain "$name: exit code $code, not $1"
}

test_wait() {
    make_database create
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
    make_database create
    local job told
    job=$("$ganger" enqueue a)
    "$ganger" jobs tail "$job" >"$place/out" 2>"$place/err" &
    told=$!
    until grep -q added "$place/out"; do sleep 0.02; done
    run_sql "select ganger._take_seqs(10); insert into ganger.event (id, job_id, event) select 1 + max(id) + 8, $job, 'edited' from ganger.jobs" >/dev/null
    until grep -q edited "$place/out"; do sleep 0.02; done
    run_sql "insert into ganger.event (id, job_id, event) select 1 + max(id), $job, 'progress' from ganger.jobs" >/dev/null
    until grep -q progress "$place/out"; do
        kill -0 "$told" 2>/dev/null || break
        sleep 0.02
    done
    run_sql "select ganger.cancel($job)" >/dev/null
    wait "$told" || complain "following: exit code $?"
    [ "$(awk '{ print $3 }' "$place/out" | tr '\n' ' ')" = "added edited progress cancelled " ] || complain "each event once, the late one too"
}

test_api_tokens() {
    make_database create
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

test_wait
test_late_event
test_api_tokens

finish
