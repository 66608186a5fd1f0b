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

char *path_handlers_dir(void)
{
    const char *chosen = secure_getenv("GANGER_HANDLERS_DIR");
    if (chosen != NULL && *chosen != '\0') {
        return mem_strdup(chosen);
    }
    char prefix[PATH_MAX];
    if (!program_folder(prefix, sizeof prefix)) {
        return mem_strdup("/usr/lib/ganger/handlers");
    }
    // <prefix>/bin or <prefix>/libexec/ganger
    bool in_libexec = last_is(prefix, "ganger");
    cut_last(prefix);
    if (in_libexec && last_is(prefix, "libexec")) {
        cut_last(prefix);
    }
    char *cache = mem_printf("%s/CMakeCache.txt", prefix);
    char *built = mem_printf("%s/handlers", prefix);
    bool is_build_tree = access(cache, F_OK) == 0 && is_folder(built);
    free(cache);
    if (is_build_tree) {
        return built;
    }
    free(built);
    return mem_printf("%s/lib/ganger/handlers", str_equal(prefix, "/") ? "" : prefix);
}
