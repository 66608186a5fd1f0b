// SPDX-License-Identifier: MIT
// Dev state: the folder in which `ganger dev` keeps its database, and how other commands find it.
#ifndef CLI_DEV_STATE_H
#define CLI_DEV_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/memory.h"
#include "common/base/status.h"

// Where it is without --state; NULL when there is no home folder. Caller frees.
char *dev_state_default_dir(void);
// The connection string of the database in `dir`; NULL when there is none. Caller frees.
char *dev_state_read_url(const char *dir);

// Makes the folder with its parents and returns its absolute path (caller frees); NULL with `why`.
char *dev_state_make_dir(const char *dir, StrBuf *why);
// Takes the lock of the folder for the life of this process and of the program it becomes. -1 with `why`,
// which names the process that has it.
int dev_state_lock(const char *dir, StrBuf *why);
// Writes down, in the folder, where its database is.
MUST_CHECK Status dev_state_publish(const char *dir, const char *url, StrBuf *why);

// Writes a whole file or none of it (a temporary name, then rename).
MUST_CHECK Status dev_state_write_file(const char *path, const char *text, mode_t mode,
                                       StrBuf *why);
// Reads a small file, without the line end; NULL when there is none. Caller frees.
char *dev_state_read_file(const char *path);

#endif
