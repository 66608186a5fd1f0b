// SPDX-License-Identifier: MIT
// Opens handler files, checks them, and loads them; every refusal has a reason for people.
#ifndef WORKER_PLUGIN_LOADER_H
#define WORKER_PLUGIN_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/config.h"
#include "common/base/memory.h"
#include "common/base/status.h"
#include "handlers/ganger/handler.h"

enum { PLUGIN_LOAD_LIMIT_MS = 5000 }; // for the constructors of one file, at most

// Where `plugin` of the configuration is: absolute as it stands, else below plugin_dir or the
// handlers folder. Caller frees.
char *plugin_path(const Config *config, const char *plugin);

// Whether a relative name has '..' in it.
bool plugin_leads_out(const char *plugin);

// Opens the file and checks it (plugin_file.h); loads that open file in a child process first, as a
// constructor may abort or hang for `limit_ms`; then loads it here, for the life of the process.
// STATUS_REFUSED: `why` gets the reason.
MUST_CHECK Status plugin_load(const struct ganger_plugin **out, const char *path, int64_t limit_ms,
                              StrBuf *why);

// How long the next file may take, when `left_ms` are left for all files: half of it, so that one after
// another that hangs still leaves time for the next; PLUGIN_LOAD_LIMIT_MS at most.
int64_t plugin_load_limit_ms(int64_t left_ms);

// The handler of a job type in a plugin's table; NULL, with the reason in `why`, when it has none.
const ganger_handler *plugin_find_handler(const struct ganger_plugin *plugin, const char *job_type,
                                          StrBuf *why);

#endif
