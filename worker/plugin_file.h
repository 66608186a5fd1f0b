// SPDX-License-Identifier: MIT
// PluginFile: a handler file is opened once, and is looked at before any of its code can run.
#ifndef WORKER_PLUGIN_FILE_H
#define WORKER_PLUGIN_FILE_H

#include "common/base/memory.h"
#include "common/base/status.h"

// Opens the file read-only and checks that very file: regular, an ELF shared object of this machine; it, the folder that names it, and,
// behind a symbolic link, the folder where it really stands, belong to root or to us, and nobody else may write to them (a
// sticky folder is as good).
// STATUS_OK: *fd is the caller's, close-on-exec. STATUS_REFUSED: `why` gets the reason.
MUST_CHECK Status plugin_file_open(int *fd, const char *path, StrBuf *why);

#endif
