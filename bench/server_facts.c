// SPDX-License-Identifier: MIT
// Server facts: see the header.
#include "bench/server_facts.h"

#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench/sql.h"
#include "common/base/memory.h"

char *server_facts_json(const Bench *bench)
{
    PGconn *conn = sql_connect(bench->server);
    char *settings =
        sql_text(conn, "select jsonb_object_agg(name, setting || coalesce(unit, '')) from"
                       " pg_settings where name in ('server_version', 'fsync',"
                       " 'synchronous_commit', 'full_page_writes', 'shared_buffers',"
                       " 'max_wal_size', 'wal_level', 'wal_sync_method', 'autovacuum', 'jit')");
    PQfinish(conn);
    struct utsname system;
    (void)uname(&system);
    char when[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    StrBuf out = {0};
    strbuf_printf(
        &out, "\"version\": \"%s\", \"measured_at\": \"%s\", \"kernel\": ", GANGER_VERSION, when);
    strbuf_append_json(&out, system.release);
    strbuf_printf(&out, ", \"cpus\": %ld, \"repeats\": %d, \"quick\": %s,\n  \"server\": %s",
                  sysconf(_SC_NPROCESSORS_ONLN), bench->repeats, bench->is_quick ? "true" : "false",
                  settings);
    free(settings);
    return strbuf_take(&out);
}
