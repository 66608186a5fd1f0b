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
static Status open_folder(const char *state_dir, const User *owner, int *folder);
static Status lock_file(int file, const char *state_dir, const char *name, const char *node);
static Status refuse_folder(const char *state_dir, const char *what);
static Status distrust_folder(const char *state_dir, const char *why);
static void log_holder(int fd, const char *state_dir, const char *name, const char *node);

Status pidfile_take(int *fd, const char *state_dir, const char *node, const User *owner)
{
    char name[NAME_MAX + 1];
    int folder = -1;

    int length = snprintf(name, sizeof name, "%s.pid", node);
    if (length < 0 || (size_t)length >= sizeof name) {
        errno = ENAMETOOLONG;
        return refuse_folder(state_dir, "use");
    }
    for (char *c = name; *c != '\0'; c++) {
        if (*c == '/') {
            *c = '_';
        }
    }
    TRY(make_folder(state_dir, owner));
    TRY(open_folder(state_dir, owner, &folder));
    int file = openat(folder, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    int error = errno;
    close(folder);
    if (file < 0) {
        errno = error;
        return refuse_folder(state_dir, "write to");
    }
    Status status = lock_file(file, state_dir, name, node);
    if (status != STATUS_OK) {
        close(file);
        return status;
    }
    *fd = file;
    return STATUS_OK;
}

static Status lock_file(int file, const char *state_dir, const char *name, const char *node)
{
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        log_holder(file, state_dir, name, node);
        return STATUS_REFUSED;
    }
    if (ftruncate(file, 0) != 0 || dprintf(file, "%d\n", (int)getpid()) < 0) {
        return refuse_folder(state_dir, "write to");
    }
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
    if (mkdir(state_dir, 0700) == 0) {
        if (owner->is_set && chown(state_dir, owner->uid, owner->gid) != 0) {
            return refuse_folder(state_dir, "give away");
        }
        return STATUS_OK;
    }
    return errno == EEXIST ? STATUS_OK : refuse_folder(state_dir, "make");
}

// Whoever owns the folder, or may write to it, can hold the lock or put another file in its place; below /tmp anybody
// can have made it before us.
static Status open_folder(const char *state_dir, const User *owner, int *folder)
{
    struct stat info;
    int fd = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR)) {
        return distrust_folder(state_dir, "it is no folder, or a symbolic link");
    }
    if (fd < 0 || fstat(fd, &info) != 0) {
        Status status = refuse_folder(state_dir, "use");
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    const char *why = NULL;
    if (info.st_uid != 0 && info.st_uid != geteuid() &&
        !(owner->is_set && info.st_uid == owner->uid)) {
        why = "it belongs to another user";
    } else if ((info.st_mode & S_IWOTH) != 0) {
        why = "everybody may write to it";
    }
    if (why != NULL) {
        close(fd);
        return distrust_folder(state_dir, why);
    }
    *folder = fd;
    return STATUS_OK;
}

static Status distrust_folder(const char *state_dir, const char *why)
{
    log_fatal(
        "state_dir.refused",
        "folder=\"%s\" error=\"%s\" mend=\"set supervisor.state_dir to a folder that only root "
        "or the user of gangerd can write to, or remove this one\"",
        state_dir, why);
    return STATUS_REFUSED;
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

static void log_holder(int fd, const char *state_dir, const char *name, const char *node)
{
    char text[32] = "";
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    long pid = got > 0 ? strtol(text, NULL, 10) : 0;

    log_fatal(
        "pidfile.held",
        "another gangerd runs as node=\"%s\" holder=%ld file=\"%s/%s\" mend=\"stop it, or give "
        "this one its own node.name\"",
        node, pid, state_dir, name);
}
