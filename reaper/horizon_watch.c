// SPDX-License-Identifier: MIT
// Horizon watch: see the header.
#include "reaper/horizon_watch.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/log.h"
#include "reaper/reaper.h"
#include "sql_queries.h"

int64_t horizon_held_ms(HorizonWatch *self, const char *seen, int64_t held_ms, int64_t now)
{
    if (!str_equal(self->seen, seen)) {
        (void)snprintf(self->seen, sizeof self->seen, "%s", seen);
        self->seen_at = now;
    }
    return held_ms >= 0 ? held_ms : now - self->seen_at;
}

static void tell_free(HorizonWatch *self)
{
    if (self->told[0] != '\0') {
        log_info("horizon.free", "holder=\"%s\"", self->told);
    }
    self->told[0] = '\0';
}

static void tell_held(HorizonWatch *self, const PGresult *result, const char *holder,
                      int64_t held_ms)
{
    char name[HORIZON_NAME_BYTES]; // as it is kept: else one that is cut would be told at each look
    (void)snprintf(name, sizeof name, "%s", holder);
    if (str_equal(self->told, name)) {
        return;
    }
    (void)snprintf(self->told, sizeof self->told, "%s", name);
    log_warn("horizon.held",
             "holder=\"%s\" held_ms=%" PRId64 " transactions=%" PRId64
             " finding=\"%s\" mend=\"%s\" effect=\"dead rows cannot be removed\"",
             holder, held_ms, db_int(result, 0, "xids", 0), db_text(result, 0, "finding"),
             db_text(result, 0, "mend"));
}

Status horizon_look(struct Reaper *self, int64_t now)
{
    HorizonWatch *watch = &self->horizon;
    DbParams params;
    db_params_init(&params);
    PGresult *result = NULL;
    TRY(db_exec(self->db, &SQL_oldest_horizon, &params, self->statement_ms, &result));
    int64_t limit_ms = db_int(result, 0, "limit_ms", REAPER_HORIZON_MS);
    const char *holder = db_text(result, 0, "subject");
    // A limit below the usual pause wants to be looked at as often.
    self->next_horizon_at = now + (limit_ms < REAPER_HORIZON_MS ? limit_ms : REAPER_HORIZON_MS);
    if (holder == NULL) {
        tell_free(watch);
    } else {
        char seen[HORIZON_NAME_BYTES];
        (void)snprintf(seen, sizeof seen, "%s %s", db_text(result, 0, "horizon"), holder);
        int64_t held_ms = horizon_held_ms(watch, seen, db_int(result, 0, "held_ms", -1), now);
        if (held_ms > limit_ms) {
            tell_held(watch, result, holder, held_ms);
        } else {
            tell_free(watch);
        }
    }
    PQclear(result);
    return STATUS_OK;
}
