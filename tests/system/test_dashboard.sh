#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The dashboard in a real Chromium: gangerd with jobs of every kind, first without tokens, then with (the configuration is read anew).
set -euo pipefail

. "$GANGER_SOURCE_DIR/tests/system/cli_frame.sh"

for name in chromium chromium-browser google-chrome; do
    CHROMIUM=${CHROMIUM:-$(command -v "$name" || true)}
done
export CHROMIUM
[ -x "${CHROMIUM:-}" ] || skip "there is no Chromium: install chromium, or set CHROMIUM to its program"
command -v node >/dev/null || skip "there is no node: install nodejs"
[ -d "$GANGER_BROWSER_MODULES/node_modules/playwright-core" ] || skip "npm could not fetch playwright-core when this was built: build again"
[ -f "$GANGER_BIN_DIR/../dashboard/index.html" ] || skip "the dashboard was not built: npm was missing, or could not reach its registry"

# write_config AUTH
write_config() {
    sed "s|^database:.*|database: {url: \"$DATABASE_URL\"}|" "$GANGER_SOURCE_DIR/tests/browser/scene.yaml" >"$place/ganger.yaml"
    printf 'supervisor: {state_dir: "%s", kill_grace: 100ms, shutdown_timeout: 3s}\nhttp: {listen: "127.0.0.1:%s", auth: %s}\n' \
        "$place/state" "$port" "$1" >>"$place/ganger.yaml"
}

# until_true WHAT COMMAND...: for 20 s
until_true() {
    local what=$1 end=$((SECONDS + 20))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$end" ]; then
            echo "not ok: $what"
            tail -n 20 "$place/log"
            exit 1
        fi
        sleep 0.1
    done
}

answers() { # CODE PATH
    [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port$2")" = "$1" ]
}

make_database create
mkdir "$place/state"
port=$(node -e 'const s = require("net").createServer(); s.listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
export GANGER_DASHBOARD_URL=http://127.0.0.1:$port
write_config none
run_sql "$(cat "$GANGER_SOURCE_DIR/tests/browser/scene.sql")" >/dev/null
"$GANGER_BIN_DIR/gangerd" -c "$place/ganger.yaml" >"$place/log" 2>&1 &
gangerd_pid=$!
until_true "the API answers" answers 200 /api/overview

# Everything that ends by itself has ended, what runs runs, what waits waits.
settled() {
    [ "$(run_sql "select count(*) filter (where status = 'completed') >= 52 and count(*) filter (where status = 'failed') = 10
                         and count(*) filter (where status = 'processing') = 2 and count(*) filter (where status = 'waiting') = 1
                         and bool_or(progress = 40) from ganger.jobs")" = t ]
}
until_true "the jobs have come to where they stay" settled

node "$GANGER_SOURCE_DIR/tests/browser/run.mjs" open || failures=$((failures + 1))

GANGER_READ_TOKEN=$("$ganger" api-tokens create reader --scope read)
GANGER_ADMIN_TOKEN=$("$ganger" api-tokens create root --scope admin)
export GANGER_READ_TOKEN GANGER_ADMIN_TOKEN
write_config tokens
kill -HUP "$gangerd_pid"
until_true "tokens are asked for" answers 401 /api/overview
node "$GANGER_SOURCE_DIR/tests/browser/run.mjs" login || failures=$((failures + 1))

if grep -E '"level":"(error|fatal)"' "$place/log"; then
    echo "not ok: errors in the log"
    failures=$((failures + 1))
fi
finish
