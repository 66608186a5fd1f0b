// SPDX-License-Identifier: MIT
// ExecText: see the header.
#include "worker/exec_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROC_PATH_BYTES = 32, SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL };

// What nearly every program is handed. One file for all of them: to make one and throw it away took a fortieth of what a short
// program costs as a whole.
static const char empty_text[] = "{}";
static struct {
    int fd; // -1 = not made yet
    struct stat made;
} empty = {.fd = -1};

int exec_fd_above_floor(int fd)
{
    if (fd < 0 || fd >= EXEC_FD_FLOOR) {
        return fd;
    }
    const int moved = fcntl(fd, F_DUPFD_CLOEXEC, EXEC_FD_FLOOR);
    const int error = errno;
    close(fd);
    errno = error;
    return moved;
}

static bool write_text(int fd, const char *text)
{
    const size_t length = strlen(text);
    for (size_t at = 0; at < length;) {
        const ssize_t bytes = pwrite(fd, text + at, length - at, (off_t)at);
        if (bytes < 0 && errno != EINTR) {
            return false;
        }
        at += bytes > 0 ? (size_t)bytes : 0;
    }
    return true;
}

// Sealed: no program can write what the next one reads. -1: errno says why.
static int make_file(const char *text)
{
    const int fd = exec_fd_above_floor(memfd_create("ganger", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (fd >= 0 && (!write_text(fd, text) || fcntl(fd, F_ADD_SEALS, SEALS) != 0)) {
        const int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

// A plugin may have closed it, and opened another at its number.
static bool is_empty_file(const struct stat *now)
{
    return now->st_dev == empty.made.st_dev && now->st_ino == empty.made.st_ino;
}

// No program has given it to somebody, or taken it from others.
static bool is_for_all(const struct stat *now)
{
    return now->st_mode == empty.made.st_mode && now->st_uid == empty.made.st_uid &&
           now->st_gid == empty.made.st_gid;
}

// Made where there is none, or none that is still good.
static void have_empty_file(void)
{
    struct stat now;
    const bool is_ours = empty.fd >= 0 && fstat(empty.fd, &now) == 0 && is_empty_file(&now);
    if (is_ours && is_for_all(&now)) {
        return;
    }
    if (is_ours) {
        close(empty.fd);
    }
    empty.fd = make_file(empty_text);
    if (empty.fd >= 0 && fstat(empty.fd, &empty.made) != 0) {
        close(empty.fd);
        empty.fd = -1;
    }
}

// Opened again, as a place to read from is shared by all who have not opened a file themselves. -1: it cannot be.
static int open_empty_file(void)
{
    char path[PROC_PATH_BYTES];
    struct stat opened;
    have_empty_file();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", empty.fd);
    const int fd = empty.fd < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &opened) != 0 || !is_empty_file(&opened))) {
        close(fd);
        return -1;
    }
    return exec_fd_above_floor(fd);
}

int exec_text_file(const char *text)
{
    const int fd = strcmp(text, empty_text) == 0 ? open_empty_file() : -1;
    return fd >= 0 ? fd : make_file(text);
}
