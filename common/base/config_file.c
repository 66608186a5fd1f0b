// SPDX-License-Identifier: MIT
// Config file: see the header.
#include "common/base/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/config_yaml.h"

enum { READ_CHUNK_BYTES = 65536 };

typedef struct Source {
    int fd;
    bool is_stream;   // has no offsets, and may keep us waiting
    int64_t until_ms; // of a stream
} Source;

static Status read_source(const Source *source, StrBuf *out);
static ssize_t read_some(const Source *source, char *chunk, size_t room, size_t offset);
static Status refuse(const char *path, const char *what, const char *why, StrBuf *errors);

Status config_file_read(const char *path, bool regular_only, StrBuf *out, StrBuf *errors)
{
    struct stat info;
    // Without O_NONBLOCK a FIFO nobody writes to would hold us for ever.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &info) != 0) {
        Status status = refuse(path, "cannot be read: ", strerror(errno), errors);
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    if (regular_only && !S_ISREG(info.st_mode)) {
        close(fd);
        return refuse(path, "is no regular file, so it cannot be read again", "", errors);
    }
    Source source = {.fd = fd,
                     .is_stream = !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode),
                     .until_ms = clock_boot_ms() + CONFIG_FILE_WAIT_MS};
    Status status = read_source(&source, out);
    if (status != STATUS_OK) {
        status = refuse(path, "cannot be read: ", strerror(errno), errors);
    } else if (S_ISFIFO(info.st_mode) && out->length == 0) {
        // Whatever should have written it has failed: that is no wish for the defaults.
        status = refuse(path, "nothing came out of the pipe", "", errors);
    }
    close(fd);
    return status;
}

static Status read_source(const Source *source, StrBuf *out)
{
    char *chunk = mem_alloc(READ_CHUNK_BYTES);
    ssize_t got = 0;
    do {
        size_t room = CONFIG_YAML_MAX_BYTES + 1 - out->length;
        got = read_some(source, chunk, room < READ_CHUNK_BYTES ? room : READ_CHUNK_BYTES,
                        out->length);
        if (got > 0) {
            strbuf_append_bytes(out, chunk, (size_t)got);
        }
    } while (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN)));
    int error = errno;
    free(chunk);
    errno = error;
    return got < 0 ? STATUS_FATAL : STATUS_OK;
}

static ssize_t read_some(const Source *source, char *chunk, size_t room, size_t offset)
{
    if (!source->is_stream) {
        return pread(source->fd, chunk, room, (off_t)offset);
    }
    int64_t left_ms = source->until_ms - clock_boot_ms();
    struct pollfd readable = {.fd = source->fd, .events = POLLIN};
    int ready = left_ms > 0 ? poll(&readable, 1, (int)left_ms) : 0;
    if (ready == 0) {
        errno = ETIMEDOUT;
    }
    return ready > 0 ? read(source->fd, chunk, room) : -1;
}

static Status refuse(const char *path, const char *what, const char *why, StrBuf *errors)
{
    strbuf_printf(errors, "%s: error: %s%s\n", path, what, why);
    return STATUS_REFUSED;
}

// The group by which gangerd itself reads the file. A directory of users that hangs must not hang a running gangerd, which has become that
// user already: it is asked before that only.
static bool is_own_group(gid_t group, const char *user)
{
    const struct passwd *account = user != NULL && geteuid() == 0 ? getpwnam(user) : NULL;
    return group == 0 || group == getegid() || (account != NULL && group == account->pw_gid);
}

void config_file_warn_of_readers(const char *path, const char *user, StrBuf *errors)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        return;
    }
    bool is_open = (info.st_mode & S_IROTH) != 0 ||
                   ((info.st_mode & S_IRGRP) != 0 && !is_own_group(info.st_gid, user));
    if (is_open) {
        strbuf_printf(errors,
                      "%s: warning: it holds a password, and other users may read it (mode %04o): "
                      "chmod 0600, or 0640 with the group of gangerd's user\n",
                      path, info.st_mode & 07777);
    }
}
