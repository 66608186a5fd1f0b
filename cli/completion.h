// SPDX-License-Identifier: MIT
// Completion: scripts for the shells, made from the option table.
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "common/base/memory.h"

// False: there is none for that shell.
bool completion_write(const char *shell, StrBuf *out);

#endif
