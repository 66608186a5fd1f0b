/* SPDX-License-Identifier: MIT */
/*
 * Example handler that takes its time: it asks somebody for an approval and goes on when the answer is
 * there, for a week if need be, without holding a worker. Each GANGER_WAIT ends the run; the next one
 * begins at the top, and finds in its steps what is done.
 */
#include <ganger/handler.h>

#include <stdio.h>
#include <string.h>

enum { ANSWER_TIME_MS = 7 * 24 * 3600 * 1000 };

/* A step is JSON, and so is the token kept in one: a string without anything to unescape. */
static void unquote(const char *json, char *text, size_t size)
{
    (void)snprintf(text, size, "%.*s", (int)strcspn(json + 1, "\""), json + 1);
}

/* The token of this job: made in the first run, found again in the others. */
static int find_token(ganger_context *context, char *token, size_t size)
{
    char quoted[80];
    const char *json;
    const char *made;

    if (ganger_step_get(context, "token", &json) != GANGER_DONE) {
        return 0;
    }
    if (json != NULL) {
        unquote(json, token, size);
        return 1;
    }
    made = ganger_create_token(context, ANSWER_TIME_MS, "[\"approval\"]");
    if (made == NULL) {
        return 0;
    }
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", made);
    (void)snprintf(token, size, "%s", made);
    return ganger_step_put(context, "token", quoted, strlen(quoted)) == GANGER_DONE;
}

/* What shall happen once, however often the job is started again. */
static int ask(ganger_context *context, const char *token)
{
    char line[120];
    const char *json;

    if (ganger_step_get(context, "asked", &json) != GANGER_DONE) {
        return 0;
    }
    if (json != NULL) {
        return 1;
    }
    (void)snprintf(line, sizeof line, "please approve: ganger.complete_token('%s')", token);
    ganger_log(context, line); /* a mail, in real life */
    return ganger_step_put(context, "asked", "true", 4) == GANGER_DONE;
}

static enum ganger_result approval(const ganger_job *job, ganger_context *context)
{
    char token[64];
    const char *answer;

    (void)job;
    if (!find_token(context, token, sizeof token) || !ask(context, token)) {
        ganger_set_error(context, ganger_last_error(context));
        return GANGER_ERROR;
    }
    switch (ganger_wait_for_token(context, token, &answer)) {
    case GANGER_TOKEN_WAITING:
        return GANGER_WAIT;
    case GANGER_TOKEN_COMPLETED:
        if (answer != NULL) {
            (void)ganger_output(context, answer, strlen(answer));
        }
        return GANGER_OK;
    case GANGER_TOKEN_TIMED_OUT:
        ganger_set_error(context, "nobody has answered");
        return GANGER_DISCARD;
    default:
        ganger_set_error(context, ganger_last_error(context));
        return GANGER_ERROR;
    }
}

static const ganger_handler handlers[] = {{"approval", approval, NULL}, {NULL, NULL, NULL}};

const struct ganger_plugin ganger_plugin_v1 = GANGER_PLUGIN("approval", handlers);
