// SPDX-License-Identifier: MIT
// Pid file: see pidfile.h.
#include "supervisor/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"

static Status make_folder(const char *state_dir, const User *owner);
static Status refuse_folder(const char *state_dir, const char *what);
static void log_holder(int fd, const char *path, const char *node);

Status pidfile_take(int *fd, const char *state_dir, const char *node, const User *owner)
{
    char path[PATH_MAX];
    char file_name[NAME_MAX];

    TRY(make_folder(state_dir, owner));
    (void)snprintf(file_name, sizeof file_name, "%s", node);
    for (char *c = file_name; *c != '\0'; c++) {
        if (*c == '/') {
            *c = '_';
        }
    }
    int length = snprintf(path, sizeof path, "%s/%s.pid", state_dir, file_name);
    if (length < 0 || (size_t)length >= sizeof path) {
        errno = ENAMETOOLONG;
        return refuse_folder(state_dir, "use");
    }

    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (file < 0) {
        return refuse_folder(state_dir, "write to");
    }
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        log_holder(file, path, node);
        close(file);
        return STATUS_REFUSED;
    }
    if (ftruncate(file, 0) != 0 || dprintf(file, "%d\n", (int)getpid()) < 0) {
        close(file);
        return refuse_folder(state_dir, "write to");
    }
    *fd = file;
    return STATUS_OK;
}

void pidfile_release(int fd)
{
    // Failure leaves an old number behind, which the lock tells from a live one.
    if (ftruncate(fd, 0) != 0) {
        log_debug("pidfile.kept", "error=\"%s\"", strerror(errno));
    }
    close(fd);
}

static Status make_folder(const char *state_dir, const User *owner)
{
    if (mkdir(state_dir, 0755) == 0) {
        if (owner->is_set && chown(state_dir, owner->uid, owner->gid) != 0) {
            return refuse_folder(state_dir, "give away");
        }
        return STATUS_OK;
    }
    return errno == EEXIST ? STATUS_OK : refuse_folder(state_dir, "make");
}

static Status refuse_folder(const char *state_dir, const char *what)
{
    log_fatal(
        "state_dir.refused",
        "cannot %s folder=\"%s\" error=\"%s\" mend=\"set supervisor.state_dir to a folder this "
        "user can write to\"",
        what, state_dir, strerror(errno));
    return STATUS_REFUSED;
}

static void log_holder(int fd, const char *path, const char *node)
{
    char text[32] = "";
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    long pid = got > 0 ? strtol(text, NULL, 10) : 0;

    log_fatal("pidfile.held",
              "another gangerd runs as node=\"%s\" holder=%ld file=\"%s\" mend=\"stop it, or give "
              "this one its own node.name\"",
              node, pid, path);
}
