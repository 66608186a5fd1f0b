// SPDX-License-Identifier: MIT
// Pid file: one gangerd per node name and machine, held by a lock that dies with its holder.
#ifndef SUPERVISOR_PIDFILE_H
#define SUPERVISOR_PIDFILE_H

#include "common/base/status.h"
#include "supervisor/user.h"

// Makes `state_dir` when missing (given to `owner`), locks <state_dir>/<node>.pid and writes our pid
// there. *fd is kept open for life (close-on-exec). STATUS_REFUSED (logged, with the other's pid) when
// another gangerd holds it, or the folder cannot be written.
MUST_CHECK Status pidfile_take(int *fd, const char *state_dir, const char *node, const User *owner);
// Empties the file and lets the lock go. It is not removed: that would race with the next holder.
void pidfile_release(int fd);

#endif
