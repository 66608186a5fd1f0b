// SPDX-License-Identifier: MIT
// Postgres: see postgres.h.
#include "supervisor/postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"

enum { POSTGRES_ARGS = 8, STATUS_LINE = 8, PIDFILE_BYTES = 512 };

static bool says_ready(const PostgresOptions *options, pid_t pid);

char **postgres_argv(const PostgresOptions *options)
{
    char **argv = mem_alloc(POSTGRES_ARGS * sizeof(char *));

    argv[0] = mem_printf("%s/postgres", options->bin);
    argv[1] = mem_strdup("-D");
    argv[2] = mem_strdup(options->data);
    argv[3] = mem_strdup("-k");
    argv[4] = mem_strdup(options->socket);
    argv[5] = mem_strdup("-c");
    argv[6] = mem_strdup("listen_addresses=");
    return argv;
}

void postgres_argv_free(char **argv)
{
    for (int i = 0; argv[i] != NULL; i++) {
        free(argv[i]);
    }
    free(argv);
}

bool postgres_is_ready(Supervisor *self, int64_t now)
{
    if (self->options.postgres.bin == NULL) {
        return true;
    }
    Child *server = supervisor_find_role(self, ROLE_POSTGRES);
    if (server == NULL) {
        return false;
    }
    server->is_ready = server->is_ready || says_ready(&self->options.postgres, server->pid);
    if (server->is_ready || now - server->spawned_at >= SUPERVISOR_POSTGRES_MS) {
        return true;
    }
    supervisor_look_by(self, now + SUPERVISOR_SOON_MS);
    return false;
}

// postmaster.pid has the server's pid in line 1 and, once it takes connections, "ready" in line 8.
static bool says_ready(const PostgresOptions *options, pid_t pid)
{
    char path[PATH_MAX];
    char text[PIDFILE_BYTES] = "";

    int length = snprintf(path, sizeof path, "%s/postmaster.pid", options->data);
    if (length < 0 || (size_t)length >= sizeof path) {
        return false;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0 || strtol(text, NULL, 10) != (long)pid) {
        return false;
    }
    const char *line = text;
    for (int i = 1; i < STATUS_LINE && line != NULL; i++) {
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return line != NULL && strncmp(line, "ready", strlen("ready")) == 0;
}
