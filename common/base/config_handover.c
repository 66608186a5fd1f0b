// SPDX-License-Identifier: MIT
// Config handover: the bytes that the supervisor accepted, for its children; and the DATABASE_URL it has, which then needs no place
// in their environment, where the programs of handlers would find it.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/config.h"

static Status write_whole(int fd, const char *text, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t put = write(fd, text + done, length - done);
        if (put < 0 && errno != EINTR) {
            return STATUS_FATAL;
        }
        done += put > 0 ? (size_t)put : 0;
    }
    return STATUS_OK;
}

// The text, which has no NUL, then a NUL and the URL.
static Status write_sealed(int fd, const Config *config)
{
    TRY(write_whole(fd, config->text, config->text_length));
    if (config->database_url_from_env) {
        TRY(write_whole(fd, "", 1));
        TRY(write_whole(fd, config->database_url, strlen(config->database_url)));
    }
    int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    return fcntl(fd, F_ADD_SEALS, seals) == 0 ? STATUS_OK : STATUS_FATAL;
}

Status config_to_fd(const Config *config, int *fd)
{
    *fd = memfd_create("ganger-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0 || write_sealed(*fd, config) != STATUS_OK) {
        const char *cause = strerror(errno);
        log_error("config.handover", "error=\"%s\"", cause);
        if (*fd >= 0) {
            close(*fd);
        }
        *fd = -1;
        return STATUS_FATAL;
    }
    return STATUS_OK;
}

// At fixed offsets: the other children share the descriptor's own.
static Status read_whole(int fd, StrBuf *out)
{
    enum { CHUNK_BYTES = 65536 };
    char *chunk = mem_alloc(CHUNK_BYTES);
    ssize_t got = 0;
    do {
        got = pread(fd, chunk, CHUNK_BYTES, (off_t)out->length);
        if (got > 0) {
            strbuf_append_bytes(out, chunk, (size_t)got);
        }
    } while (got > 0 || (got < 0 && errno == EINTR));
    free(chunk);
    return got < 0 ? STATUS_FATAL : STATUS_OK;
}

// What is read from the environment is there while it is read only.
static Status parse(Config **out, const StrBuf *bytes, StrBuf *errors)
{
    const char *text = bytes->text != NULL ? bytes->text : "";
    const char *end = bytes->length > 0 ? memchr(text, '\0', bytes->length) : NULL;
    const size_t length = end != NULL ? (size_t)(end - text) : bytes->length;
    if (end != NULL && setenv("DATABASE_URL", end + 1, 1) != 0) { // a StrBuf ends with a NUL
        panic("setenv: %s", strerror(errno));
    }
    Status status = config_parse(out, "configuration", text, length, errors);
    if (end != NULL) {
        (void)unsetenv("DATABASE_URL");
    }
    return status;
}

Status config_from_fd(Config **out, int fd)
{
    StrBuf bytes = {0};
    StrBuf errors = {0};
    *out = NULL;
    Status status = read_whole(fd, &bytes);
    if (status != STATUS_OK) {
        log_error("config.inherit", "fd=%d error=\"%s\"", fd, strerror(errno));
    } else {
        status = parse(out, &bytes, &errors);
        if (status != STATUS_OK) {
            log_lines(LOG_LEVEL_ERROR, "config.refused", errors.text);
        }
    }
    strbuf_free(&bytes);
    strbuf_free(&errors);
    return status;
}
