// SPDX-License-Identifier: MIT
// A handler that holds a lock in PostgreSQL: hold {"ms": n} locks the row of table `held` and then does nothing, deaf, for n milliseconds.
#include <ganger/handler.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

static enum ganger_result run_hold(const ganger_job *job, ganger_context *context)
{
    static const char key[] = "\"ms\": ";
    const char *at = strstr(job->payload, key);
    const long ms = at != NULL ? strtol(at + sizeof key - 1, NULL, 10) : 0;
    if (ganger_connection(context) == NULL ||
        ganger_exec_sql(context, "SELECT FROM held FOR UPDATE", 0, NULL, NULL, NULL) < 0) {
        ganger_set_error(context, ganger_last_error(context));
        return GANGER_ERROR;
    }
    struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    while (nanosleep(&rest, &rest) != 0) {
    }
    return GANGER_OK;
}

static const ganger_handler handlers[] = {
    {"hold", run_hold, NULL},
    {NULL, NULL, NULL},
};

const struct ganger_plugin ganger_plugin_v1 = GANGER_PLUGIN("hold", handlers);
