// SPDX-License-Identifier: MIT
// Paths: see the header.
#include "common/base/paths.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"

// Cuts the last component off; "/" stays "/".
static void cut_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return;
    }
    slash[slash == path ? 1 : 0] = '\0';
}

static bool last_is(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL && str_equal(slash + 1, name);
}

// Folder of the running program; false when /proc does not say.
static bool program_folder(char *out, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", out, size - 1);
    if (length <= 0 || (size_t)length >= size - 1) {
        return false;
    }
    out[length] = '\0';
    cut_last(out);
    return true;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static char *program_if_there(char *path)
{
    struct stat info;
    if (stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0) {
        return path;
    }
    free(path);
    return NULL;
}

char *path_program(const char *name)
{
    char folder[PATH_MAX];
    if (!program_folder(folder, sizeof folder)) {
        return NULL;
    }
    char *beside = program_if_there(mem_printf("%s/%s", folder, name));
    if (beside != NULL) {
        return beside;
    }
    cut_last(folder);
    return program_if_there(mem_printf("%s/libexec/ganger/%s", folder, name));
}

// <prefix> of <prefix>/bin or <prefix>/libexec/ganger; false when /proc does not say.
static bool program_prefix(char prefix[PATH_MAX])
{
    if (!program_folder(prefix, PATH_MAX)) {
        return false;
    }
    bool in_libexec = last_is(prefix, "ganger");
    cut_last(prefix);
    if (in_libexec && last_is(prefix, "libexec")) {
        cut_last(prefix);
    }
    return true;
}

// What the environment `variable` says (NULL: nothing does), the folder `built` of a build tree, else <prefix>/`installed`.
static char *data_dir(const char *variable, const char *built, const char *installed)
{
    const char *chosen = variable != NULL ? secure_getenv(variable) : NULL;
    if (chosen != NULL && *chosen != '\0') {
        return mem_strdup(chosen);
    }
    char prefix[PATH_MAX];
    if (!program_prefix(prefix)) {
        return mem_printf("/usr/%s", installed);
    }
    char *cache = mem_printf("%s/CMakeCache.txt", prefix);
    char *folder = mem_printf("%s/%s", prefix, built);
    bool is_build_tree = access(cache, F_OK) == 0 && is_folder(folder);
    free(cache);
    if (is_build_tree) {
        return folder;
    }
    free(folder);
    return mem_printf("%s/%s", str_equal(prefix, "/") ? "" : prefix, installed);
}

char *path_handlers_dir(void)
{
    return data_dir("GANGER_HANDLERS_DIR", "handlers", "lib/ganger/handlers");
}

char *path_dashboard_dir(void)
{
    return data_dir("GANGER_DASHBOARD", "dashboard", "share/ganger/dashboard");
}

char *path_api_dir(void)
{
    return data_dir(NULL, "api", "share/ganger");
}
