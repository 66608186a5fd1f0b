#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# api/openapi.yaml: linted, compared with the route table, and held against what a real gangerd answers to every operation.
set -euo pipefail

. "$GANGER_SOURCE_DIR/tests/system/cli_frame.sh"

command -v node >/dev/null || skip "there is no node: install nodejs"
[ -d "$GANGER_OPENAPI_MODULES/node_modules/ajv" ] || skip "npm could not fetch the packages when this was built: build again"

make_database create
mkdir "$place/state"
port=$(node -e 'const s = require("net").createServer(); s.listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
export GANGER_API_URL=http://127.0.0.1:$port
cat >"$place/ganger.yaml" <<YAML
database: {url: "$DATABASE_URL"}
supervisor: {state_dir: "$place/state", kill_grace: 100ms, shutdown_timeout: 3s}
http: {listen: "127.0.0.1:$port", auth: none, dashboard: false}
YAML
"$GANGER_BIN_DIR/gangerd" -c "$place/ganger.yaml" >"$place/log" 2>&1 &
gangerd_pid=$!
end=$((SECONDS + 20))
until [ "$(run_sql "select count(*) = 2 from ganger.workers where state = 'idle'")" = t ] &&
    curl -sf -o "$place/answer" "$GANGER_API_URL/api/openapi.yaml"; do
    if [ "$SECONDS" -ge "$end" ]; then
        echo "not ok: the API answers"
        tail -n 20 "$place/log"
        exit 1
    fi
    sleep 0.1
done
# the description is there without the dashboard
cmp "$place/answer" "$GANGER_SOURCE_DIR/api/openapi.yaml" || failures=$((failures + 1))
node "$GANGER_SOURCE_DIR/tests/openapi/run.mjs" || failures=$((failures + 1))
finish
