// SPDX-License-Identifier: MIT
// ExecText: texts handed to a program as files without a name.
#ifndef WORKER_EXEC_TEXT_H
#define WORKER_EXEC_TEXT_H

enum {
    EXEC_FD_FLOOR = 6
}; // what is meant for a program stays clear of the numbers it finds its files at (exec_child.h)

// A file with `text` that nobody can change, read from its beginning, close-on-exec, at EXEC_FD_FLOOR or above. -1: errno says why. Caller
// closes.
int exec_text_file(const char *text);

// Moves `fd` (-1 stays -1) to EXEC_FD_FLOOR or above; -1: errno says why, and it is closed.
int exec_fd_above_floor(int fd);

#endif
