// SPDX-License-Identifier: MIT
// Config file: the bytes of a configuration, from a path or an inherited descriptor, bounded in size and time.
#ifndef COMMON_BASE_CONFIG_FILE_H
#define COMMON_BASE_CONFIG_FILE_H

#include <stdbool.h>

#include "common/base/memory.h"
#include "common/base/status.h"

enum { CONFIG_FILE_WAIT_MS = 10000 }; // a pipe must have brought its text and ended by then

// Appends what is at `path`, at most one byte more than CONFIG_YAML_MAX_BYTES: the parser then says that it is too
// much. Pipes (`-c <(...)`) are waited for; with `regular_only` they and devices are refused. STATUS_REFUSED, with
// the reason in `errors`.
MUST_CHECK Status config_file_read(const char *path, bool regular_only, StrBuf *out,
                                   StrBuf *errors);
// A warning when others than root, the file's owner, we and `user` (NULL = nobody) may read the file: it holds a password.
void config_file_warn_of_readers(const char *path, const char *user, StrBuf *errors);

#endif
