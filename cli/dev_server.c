// SPDX-License-Identifier: MIT
// Dev server: where PostgreSQL's programs are, of which version, and who may run them.
#include <errno.h>
#include <glob.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/dev_postgres.h"
#include "cli/run_program.h"

enum { SERVER_CANDIDATE_MAX = 64 };

typedef struct Candidates {
    char *folders[SERVER_CANDIDATE_MAX];
    size_t count;
} Candidates;

Status dev_user_find(DevUser *user, StrBuf *why)
{
    *user = (DevUser){.name = NULL, .uid = geteuid(), .gid = getegid()};
    if (geteuid() != 0) {
        // initdb and postgres ask for the name of their user and stop when it has none.
        if (!getpwuid(geteuid())) {
            strbuf_printf(why,
                          "user id %u has no entry in /etc/passwd, which PostgreSQL needs; "
                          "add one, or use a database of your own with DATABASE_URL",
                          (unsigned)geteuid());
            return STATUS_REFUSED;
        }
        return STATUS_OK;
    }
    static const char *const names[] = {"postgres", "nobody"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct passwd *entry = getpwnam(names[i]);
        if (entry && entry->pw_uid != 0) {
            *user = (DevUser){.name = names[i], .uid = entry->pw_uid, .gid = entry->pw_gid};
            return STATUS_OK;
        }
    }
    strbuf_append(why,
                  "PostgreSQL does not run as root, and there is neither a user postgres nor a "
                  "user nobody to run it as; run `ganger dev` as an ordinary user");
    return STATUS_REFUSED;
}

static bool has_program(const char *folder, const char *name)
{
    char *path = mem_printf("%s/%s", folder, name);
    bool is_there = access(path, X_OK) == 0;
    free(path);
    return is_there;
}

static void add_candidate(Candidates *candidates, const char *folder)
{
    for (size_t i = 0; i < candidates->count; i++) {
        if (str_equal(candidates->folders[i], folder)) {
            return;
        }
    }
    if (candidates->count < SERVER_CANDIDATE_MAX && has_program(folder, "postgres") &&
        has_program(folder, "initdb")) {
        candidates->folders[candidates->count++] = mem_strdup(folder);
    }
}

// Calls `take` for each folder of PATH.
static void walk_path(void (*take)(Candidates *candidates, const char *folder),
                      Candidates *candidates)
{
    const char *path = getenv("PATH");
    while (path && *path != '\0') {
        size_t length = strcspn(path, ":");
        char *folder = mem_strndup(path, length);
        if (folder[0] == '/') {
            take(candidates, folder);
        }
        free(folder);
        path += length + (path[length] == ':' ? 1 : 0);
    }
}

static void ask_pg_config(Candidates *candidates, const char *folder)
{
    static char option[] = "--bindir";
    if (!has_program(folder, "pg_config")) {
        return;
    }
    char *program = mem_printf("%s/pg_config", folder);
    char *const argv[] = {program, option, NULL};
    StrBuf output = {0};
    RunAs as = {.is_changed = false};
    if (run_program(argv, &as, -1, &output) == 0 && output.length > 0) {
        output.text[strcspn(output.text, "\n")] = '\0';
        add_candidate(candidates, output.text);
    }
    strbuf_free(&output);
    free(program);
}

static int by_version_down(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strverscmp(*right, *left);
}

static void add_debian_folders(Candidates *candidates)
{
    glob_t found = {0};
    if (glob("/usr/lib/postgresql/*/bin", GLOB_NOSORT, NULL, &found) == 0) {
        qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_version_down);
        for (size_t i = 0; i < found.gl_pathc; i++) {
            add_candidate(candidates, found.gl_pathv[i]);
        }
    }
    globfree(&found);
}

int dev_server_parse_version(const char *text)
{
    const char *name = strstr(text, "(PostgreSQL) ");
    if (!name) {
        return 0;
    }
    char *end = NULL;
    long major = strtol(name + strlen("(PostgreSQL) "), &end, 10);
    return major > 0 && major < 1000 ? (int)major : 0;
}

static int ask_version(const char *folder)
{
    static char option[] = "--version";
    char *program = mem_printf("%s/postgres", folder);
    char *const argv[] = {program, option, NULL};
    StrBuf output = {0};
    RunAs as = {.is_changed = false};
    int major = 0;
    if (run_program(argv, &as, -1, &output) == 0 && output.length > 0) {
        major = dev_server_parse_version(output.text);
    }
    strbuf_free(&output);
    free(program);
    return major;
}

Status dev_server_find(DevServer *server, int major, StrBuf *why)
{
    Candidates candidates = {0};
    Status status = STATUS_EMPTY;
    StrBuf found = {0};
    *server = (DevServer){0};
    walk_path(ask_pg_config, &candidates);
    add_debian_folders(&candidates);
    walk_path(add_candidate, &candidates);
    for (size_t i = 0; i < candidates.count; i++) {
        int version = status == STATUS_OK ? 0 : ask_version(candidates.folders[i]);
        if (version > 0 && (major == 0 || version == major)) {
            *server = (DevServer){.bin = mem_strdup(candidates.folders[i]), .major = version};
            status = STATUS_OK;
        } else if (version > 0) {
            strbuf_printf(&found, "%s%d (%s)", found.length > 0 ? ", " : "", version,
                          candidates.folders[i]);
        }
        free(candidates.folders[i]);
    }
    if (status != STATUS_OK && found.length > 0) {
        strbuf_append(why, found.text);
    }
    strbuf_free(&found);
    return status;
}
