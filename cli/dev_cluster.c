// SPDX-License-Identifier: MIT
// Dev cluster: making, deleting and checking the data folder of `ganger dev`, and its socket's folder.
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cli/dev_postgres.h"
#include "cli/dev_state.h"
#include "cli/run_program.h"
#include "common/base/clock.h"

// In the data folder, so that it goes where the cluster goes. PostgreSQL does not mind a file of others.
#define FILE_MARKER "ganger-dev"

enum {
    CLUSTER_UNUSED_WAIT_MS = 5000, // an interrupted server needs so long to write its checkpoint
    CLUSTER_UNUSED_POLL_MS = 20,
    CLUSTER_LOG_TAIL_BYTES = 2000,
    CLUSTER_DELETE_FDS = 32
};

static RunAs run_as(const DevUser *user)
{
    return (RunAs){.is_changed = user->name != NULL, .uid = user->uid, .gid = user->gid};
}

int dev_cluster_version(const char *data)
{
    char *path = mem_printf("%s/PG_VERSION", data);
    char *text = dev_state_read_file(path);
    int version = text ? (int)strtol(text, NULL, 10) : 0;
    free(text);
    free(path);
    return version;
}

bool dev_cluster_is_ours(const char *data)
{
    char *path = mem_printf("%s/" FILE_MARKER, data);
    bool is_ours = access(path, F_OK) == 0;
    free(path);
    return is_ours;
}

Status dev_cluster_check_ours(const char *data, StrBuf *why)
{
    if ((access(data, F_OK) != 0 && errno == ENOENT) || dev_cluster_is_ours(data)) {
        return STATUS_OK;
    }
    strbuf_printf(why,
                  "%s was not made by `ganger dev`: it is neither used nor deleted. Name another "
                  "folder with --state DIR, or move it away",
                  data);
    if (dev_cluster_version(data) > 0) {
        strbuf_printf(why, "; to hand this cluster to `ganger dev`: touch %s/" FILE_MARKER, data);
    }
    return STATUS_REFUSED;
}

static int delete_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static bool delete_tree(const char *path)
{
    return nftw(path, delete_one, CLUSTER_DELETE_FDS, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT;
}

Status dev_cluster_delete(const char *data, StrBuf *why)
{
    if (access(data, F_OK) != 0) {
        return STATUS_OK;
    }
    TRY(dev_cluster_check_ours(data, why));
    // Out of the way first, so that a half deleted cluster is never taken for one.
    char *doomed = mem_printf("%s.ganger-deleted", data);
    bool is_gone = delete_tree(doomed) && rename(data, doomed) == 0 && delete_tree(doomed);
    if (!is_gone) {
        strbuf_printf(why, "cannot delete %s: %s", data, strerror(errno));
    }
    free(doomed);
    return is_gone ? STATUS_OK : STATUS_REFUSED;
}

Status dev_cluster_wait_unused(const char *data, StrBuf *why)
{
    char *path = mem_printf("%s/postmaster.pid", data);
    int64_t deadline = clock_boot_ms() + CLUSTER_UNUSED_WAIT_MS;
    Status status = STATUS_OK;
    for (;;) {
        char *text = dev_state_read_file(path);
        long pid = text ? strtol(text, NULL, 10) : 0;
        free(text);
        if (pid <= 0 || (kill((pid_t)pid, 0) != 0 && errno == ESRCH)) {
            break;
        }
        char *link = mem_printf("/proc/%ld/cwd", pid);
        char folder[PATH_MAX];
        ssize_t length = readlink(link, folder, sizeof folder - 1);
        free(link);
        // A pid may have been given to another process since; a server stands in its data folder.
        if (length > 0 &&
            ((size_t)length != strlen(data) || strncmp(folder, data, (size_t)length) != 0)) {
            break;
        }
        if (clock_boot_ms() >= deadline) {
            strbuf_printf(why,
                          "a server (pid %ld) is still running on %s; stop it with: kill -INT %ld",
                          pid, data, pid);
            status = STATUS_REFUSED;
            break;
        }
        struct timespec pause = {.tv_nsec = CLUSTER_UNUSED_POLL_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
    free(path);
    return status;
}

static void append_log_tail(StrBuf *why, const char *log_path)
{
    char text[CLUSTER_LOG_TAIL_BYTES + 1];
    int fd = open(log_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    off_t size = lseek(fd, 0, SEEK_END);
    off_t start = size > CLUSTER_LOG_TAIL_BYTES ? size - CLUSTER_LOG_TAIL_BYTES : 0;
    ssize_t length = pread(fd, text, CLUSTER_LOG_TAIL_BYTES, start);
    close(fd);
    if (length > 0) {
        text[length] = '\0';
        strbuf_printf(why, "\n%s", text);
    }
}

static int run_initdb(const DevServer *server, const DevUser *user, const char *data,
                      const char *locale, bool is_sync, int log_fd)
{
    // The superuser is always postgres, whoever runs the server, so that the URL is always the same.
    char *program = mem_printf("%s/initdb", server->bin);
    char *folder = mem_printf("--pgdata=%s", data);
    char *locale_option = mem_printf("--locale=%s", locale);
    char user_option[] = "--username=postgres";
    char auth[] = "--auth=trust";
    char encoding[] = "--encoding=UTF8";
    char no_sync[] = "--no-sync";
    char sync_only[] = "--sync-only";
    char *const make[] = {program,       folder,   user_option, auth,
                          locale_option, encoding, no_sync,     NULL};
    char *const sync[] = {program, folder, sync_only, NULL};
    RunAs as = run_as(user);
    int exit_code = run_program(is_sync ? sync : make, &as, log_fd, NULL);
    free(locale_option);
    free(folder);
    free(program);
    return exit_code;
}

// An own folder with mode 0700, given to the server's user.
static bool make_private_folder(const char *path, const DevUser *user, StrBuf *why)
{
    RunAs as = run_as(user);
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        strbuf_printf(why, "cannot make %s: %s", path, strerror(errno));
        return false;
    }
    struct stat info;
    if (lstat(path, &info) != 0 || !S_ISDIR(info.st_mode) ||
        (info.st_uid != user->uid && info.st_uid != geteuid())) {
        strbuf_printf(why, "%s exists and is not our folder", path);
        return false;
    }
    if (info.st_uid != user->uid && lchown(path, user->uid, user->gid) != 0) {
        strbuf_printf(why,
                      "cannot give %s to the user %s: %s; run `ganger dev` as an ordinary user",
                      path, user->name ? user->name : "that runs it", strerror(errno));
        return false;
    }
    if (!run_can_use_folder(path, &as)) {
        strbuf_printf(why,
                      "the user %s, which runs the server, cannot enter %s: a folder above it is "
                      "closed to others; name another with --state DIR",
                      user->name ? user->name : "that runs it", path);
        return false;
    }
    return true;
}

static bool mark_cluster(const char *data, StrBuf *why)
{
    char *path = mem_printf("%s/" FILE_MARKER, data);
    bool is_marked = dev_state_write_file(path, "Made by `ganger dev`, which may delete it.\n",
                                          0644, why) == STATUS_OK;
    free(path);
    return is_marked;
}

static bool fill_cluster(const DevServer *server, const DevUser *user, const char *data,
                         const char *log_path, StrBuf *why)
{
    int log_fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (log_fd < 0) {
        strbuf_printf(why, "%s: %s", log_path, strerror(errno));
        return false;
    }
    int exit_code = run_initdb(server, user, data, "C.UTF-8", false, log_fd);
    if (exit_code != 0) {
        // Systems without C.UTF-8; initdb has removed what it made.
        exit_code = run_initdb(server, user, data, "C", false, log_fd);
    }
    if (exit_code == 0 && !mark_cluster(data, why)) {
        close(log_fd);
        return false;
    }
    if (exit_code == 0) {
        exit_code = run_initdb(server, user, data, "C", true, log_fd);
    }
    close(log_fd);
    if (exit_code != 0) {
        strbuf_printf(why, "%s/initdb failed (exit code %d):", server->bin, exit_code);
        append_log_tail(why, log_path);
    }
    return exit_code == 0;
}

Status dev_cluster_create(const DevServer *server, const DevUser *user, const char *data,
                          const char *log_path, StrBuf *why)
{
    // Made under another name: what stands at `data` is always a whole cluster, synced to disk.
    char *unfinished = mem_printf("%s.ganger-new", data);
    Status status = STATUS_OK;
    if (!delete_tree(unfinished)) {
        strbuf_printf(why, "cannot delete %s: %s", unfinished, strerror(errno));
        status = STATUS_REFUSED;
    }
    if (status == STATUS_OK && (!make_private_folder(unfinished, user, why) ||
                                !fill_cluster(server, user, unfinished, log_path, why))) {
        status = STATUS_REFUSED;
    }
    if (status == STATUS_OK && rename(unfinished, data) != 0) {
        strbuf_printf(why, "cannot rename %s: %s", unfinished, strerror(errno));
        status = STATUS_REFUSED;
    }
    free(unfinished);
    return status;
}

bool dev_socket_fits(const char *dir)
{
    struct sockaddr_un address;
    return strlen(dir) + strlen("/.s.PGSQL.5432") < sizeof address.sun_path;
}

static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261U; // FNV-1a
    for (const char *c = text; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 16777619U;
    }
    return hash;
}

char *dev_socket_dir(const char *state_dir, const DevUser *user, StrBuf *why)
{
    char *dir = mem_printf("%s/run", state_dir);
    if (!dev_socket_fits(dir)) {
        const char *runtime = user->name ? NULL : getenv("XDG_RUNTIME_DIR");
        uint32_t hash = hash_text(state_dir);
        bool has_runtime = runtime && runtime[0] == '/' && access(runtime, W_OK) == 0;
        free(dir);
        dir = mem_printf("%s/ganger-%08x", has_runtime ? runtime : "/tmp", hash);
        if (!dev_socket_fits(dir)) {
            free(dir);
            dir = mem_printf("/tmp/ganger-%08x", hash);
        }
    }
    if (!make_private_folder(dir, user, why)) {
        free(dir);
        return NULL;
    }
    return dir;
}
