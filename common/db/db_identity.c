// SPDX-License-Identifier: MIT
// Is the server at the other end the primary that we know of, or a later one?
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/db/db_internal.h"
#include "sql_queries.h"

enum { OLD_TOLD_MS = 60000 }; // an old primary is met with each try to connect

static uint64_t read_system(const PGresult *result)
{
    const char *text = PQfnumber(result, "system") < 0 ? NULL : db_text(result, 0, "system");
    return text == NULL ? 0 : (uint64_t)strtoll(text, NULL, 10);
}

static Status ask(Db *db, int64_t deadline, PGresult **result)
{
    // Each is for a server that refuses the one before it.
    static const SqlStatement *const questions[] = {&SQL_server_identity, &SQL_server_timeline,
                                                    &SQL_server_role};
    Status status = STATUS_REFUSED;
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        status = db_exec(db, questions[i], NULL, deadline - clock_boot_ms(), result);
        if (status == STATUS_OK || db_is_lost(db)) {
            break;
        }
    }
    return status;
}

// Without its timeline an old primary looks like any other.
static void tell_unknown(const Db *db)
{
    static bool is_told;
    if (!is_told) {
        is_told = true;
        log_warn("database.no_timeline",
                 "host=\"%s\" effect=\"an old primary that comes back would not be noticed\" "
                 "mend=\"grant execute on function pg_current_wal_lsn() to ganger's role, where "
                 "the server has it\"",
                 PQhost(db->conn));
    }
}

static void tell_old(const Db *db, const Timeline *floor)
{
    static int64_t told_at;
    int64_t now = clock_boot_ms();
    if (told_at != 0 && now - told_at < OLD_TOLD_MS) {
        return;
    }
    told_at = now;
    log_error("database.old_primary",
              "host=\"%s\" timeline=%" PRIu32 " known=%" PRIu32
              " effect=\"it is not used\" mend=\"stop this server, or make it a standby of the "
              "new primary; where it is meant (a backup was restored), delete the node's .timeline "
              "file in its state_dir and start it again\"",
              PQhost(db->conn), db->timeline.number, floor->number);
}

Status db_check_identity(Db *db, const Timeline *floor, int64_t deadline)
{
    PGresult *result = NULL;
    TRY(ask(db, deadline, &result));
    bool is_standby = db_bool(result, 0, "standby");
    db->timeline.number = (uint32_t)db_int(result, 0, "timeline", 0);
    db->timeline.system_id = read_system(result);
    PQclear(result);
    if (is_standby) {
        return db_turn_away(db, "the server is a standby");
    }
    if (db->timeline.number == 0) {
        tell_unknown(db);
    }
    if (timeline_is_old(*floor, db->timeline)) {
        char why[128];
        (void)snprintf(why, sizeof why,
                       "the server is an old primary: it is on timeline %" PRIu32 ", and %" PRIu32
                       " has been seen",
                       db->timeline.number, floor->number);
        tell_old(db, floor);
        return db_turn_away(db, why);
    }
    return STATUS_OK;
}
