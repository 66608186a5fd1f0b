/* SPDX-License-Identifier: MIT */
/* Example handler in C: greets {"name": ...} and shows progress on the way. */
#include <ganger/handler.h>

#include <stdio.h>
#include <string.h>

/* The text between the first pair of quotes behind the key; enough for an example. */
static void read_name(const char *payload, char *name, size_t size)
{
    const char *at = strstr(payload, "\"name\": \"");
    (void)snprintf(name, size, "%s", "world");
    if (at != NULL) {
        at += strlen("\"name\": \"");
        (void)snprintf(name, size, "%.*s", (int)strcspn(at, "\"\\"), at);
    }
}

static enum ganger_result hello(const ganger_job *job, ganger_context *context)
{
    char name[100];
    char output[160];

    read_name(job->payload, name, sizeof name);
    (void)ganger_progress(context, 50, "thinking of a greeting", NULL);
    if (ganger_should_stop(context)) {
        ganger_set_error(context, "stopped before the greeting");
        return GANGER_ERROR;
    }
    (void)snprintf(output, sizeof output, "{\"greeting\": \"hello %s\"}", name);
    ganger_log(context, "greeted");
    if (ganger_output(context, output, strlen(output)) != GANGER_DONE) {
        ganger_set_error(context, ganger_last_error(context));
        return GANGER_DISCARD;
    }
    return GANGER_OK;
}

static const ganger_handler handlers[] = {{"hello", hello, NULL}, {NULL, NULL, NULL}};

const struct ganger_plugin ganger_plugin_v1 = GANGER_PLUGIN("hello", handlers);
