// SPDX-License-Identifier: MIT
// Dev state: the folder in which `ganger dev` keeps its database, and how other commands find it.
#include "cli/dev_state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_URL  "dev.url"
#define FILE_LOCK "dev.lock"

enum { STATE_FILE_MAX_BYTES = 4096 };

char *dev_state_default_dir(void)
{
    if (geteuid() == 0) {
        return mem_strdup("/var/lib/ganger");
    }
    const char *state_home = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    // The XDG rules: a relative path is to be ignored.
    if (state_home && state_home[0] == '/') {
        return mem_printf("%s/ganger", state_home);
    }
    return home && home[0] == '/' ? mem_printf("%s/.local/state/ganger", home) : NULL;
}

char *dev_state_read_file(const char *path)
{
    char text[STATE_FILE_MAX_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return NULL;
    }
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) {
        return NULL;
    }
    text[length] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return mem_strdup(text);
}

char *dev_state_read_url(const char *dir)
{
    char *path = mem_printf("%s/" FILE_URL, dir);
    char *url = dev_state_read_file(path);
    free(path);
    return url;
}

static bool make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        // Readable by all: the server of a root installation runs as another user. Secrets have 0700
        // folders of their own inside.
        bool is_made = mkdir(path, 0755) == 0 || errno == EEXIST;
        *slash = '/';
        if (!is_made) {
            return false;
        }
    }
    return mkdir(path, 0755) == 0 || errno == EEXIST;
}

char *dev_state_make_dir(const char *dir, StrBuf *why)
{
    char *wanted = mem_strdup(dir);
    char absolute[PATH_MAX];
    char *result = NULL;
    struct stat info;
    if (dir[0] == '\0' || !make_parents(wanted)) {
        strbuf_printf(why, "cannot make the state folder %s: %s; name another with --state DIR",
                      dir, strerror(dir[0] == '\0' ? EINVAL : errno));
    } else if (!realpath(wanted, absolute)) {
        strbuf_printf(why, "%s: %s", dir, strerror(errno));
    } else if (stat(absolute, &info) != 0 || !S_ISDIR(info.st_mode)) {
        strbuf_printf(why, "%s is a file, not a folder; name another with --state DIR", absolute);
    } else if (access(absolute, W_OK | X_OK) != 0) {
        strbuf_printf(why, "the state folder %s is not writable: %s; name another with --state DIR",
                      absolute, strerror(errno));
    } else if (strpbrk(absolute, "'\"\\\n")) {
        strbuf_printf(why,
                      "the state folder %s has a quote or backslash in its name; name another "
                      "with --state DIR",
                      absolute);
    } else {
        result = mem_strdup(absolute);
    }
    free(wanted);
    return result;
}

int dev_state_lock(const char *dir, StrBuf *why)
{
    char *path = mem_printf("%s/" FILE_LOCK, dir);
    // Not close-on-exec: gangerd, which this process becomes, keeps the lock.
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0644); // NOLINT(android-cloexec-open)
    if (fd < 0) {
        strbuf_printf(why, "%s: %s", path, strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        char *pid = dev_state_read_file(path);
        strbuf_printf(why,
                      "another `ganger dev` (pid %s) is running on %s; stop it, or name "
                      "another folder with --state DIR",
                      pid ? pid : "unknown", dir);
        free(pid);
        close(fd);
        fd = -1;
    } else if (ftruncate(fd, 0) != 0 || dprintf(fd, "%d\n", (int)getpid()) < 0) {
        strbuf_printf(why, "%s: %s", path, strerror(errno));
        close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

Status dev_state_write_file(const char *path, const char *text, mode_t mode, StrBuf *why)
{
    char *temporary = mem_printf("%s.%d", path, (int)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    size_t length = strlen(text);
    bool is_written = fd >= 0 && write(fd, text, length) == (ssize_t)length;
    if (fd >= 0 && close(fd) != 0) {
        is_written = false;
    }
    if (!is_written || rename(temporary, path) != 0) {
        strbuf_printf(why, "cannot write %s: %s", path, strerror(errno));
        (void)unlink(temporary);
        free(temporary);
        return STATUS_FATAL;
    }
    free(temporary);
    return STATUS_OK;
}

Status dev_state_publish(const char *dir, const char *url, StrBuf *why)
{
    char *path = mem_printf("%s/" FILE_URL, dir);
    char *line = mem_printf("%s\n", url);
    Status status = dev_state_write_file(path, line, 0644, why);
    free(line);
    free(path);
    return status;
}
