// SPDX-License-Identifier: MIT
// A plugin built for an ABI that no ganger speaks.
#include <ganger/handler.h>

static enum ganger_result run_nothing(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    return GANGER_OK;
}

static const ganger_handler handlers[] = {{"wrong_abi", run_nothing, NULL}, {NULL, NULL, NULL}};

const struct ganger_plugin ganger_plugin_v1 = {
    .abi_major = GANGER_ABI_MAJOR + 98,
    .struct_size = sizeof(struct ganger_plugin),
    .handler_size = sizeof(ganger_handler),
    .name = "wrong_abi",
    .handlers = handlers,
};
