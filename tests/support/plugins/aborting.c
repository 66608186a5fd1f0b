// SPDX-License-Identifier: MIT
// A plugin that dies while it is loaded.
#include <ganger/handler.h>

#include <stdlib.h>

__attribute__((constructor)) static void die(void)
{
    abort();
}

static enum ganger_result run_nothing(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    return GANGER_OK;
}

static const ganger_handler handlers[] = {{"aborting", run_nothing, NULL}, {NULL, NULL, NULL}};

const struct ganger_plugin ganger_plugin_v1 = GANGER_PLUGIN("aborting", handlers);
