// SPDX-License-Identifier: MIT
// Loads handler files that have been checked.
#include "worker/plugin_loader.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/paths.h"
#include "worker/plugin_file.h"
#include "worker/plugin_trial.h"

enum { HANDLERS_MAX = 1024 }; // a table without end is a mistake, not a plugin

static Status refuse(StrBuf *why, const char *text)
{
    strbuf_append(why, text);
    return STATUS_REFUSED;
}

char *plugin_path(const Config *config, const char *plugin)
{
    if (plugin[0] == '/') {
        return mem_strdup(plugin);
    }
    if (config->plugin_dir != NULL) {
        return mem_printf("%s/%s", config->plugin_dir, plugin);
    }
    char *folder = path_handlers_dir();
    char *path = mem_printf("%s/%s", folder, plugin);
    free(folder);
    return path;
}

bool plugin_leads_out(const char *plugin)
{
    if (plugin[0] == '/') {
        return false;
    }
    for (const char *part = plugin; *part != '\0';) {
        const size_t length = strcspn(part, "/");
        if (length == 2 && part[0] == '.' && part[1] == '.') {
            return true;
        }
        part += length + strspn(part + length, "/");
    }
    return false;
}

int64_t plugin_load_limit_ms(int64_t left_ms)
{
    const int64_t half = left_ms / 2;
    return half > PLUGIN_LOAD_LIMIT_MS ? PLUGIN_LOAD_LIMIT_MS : half > 1 ? half : 1;
}

static Status check_plugin(const struct ganger_plugin *plugin, StrBuf *why)
{
    if (plugin->abi_major != GANGER_ABI_MAJOR) {
        strbuf_printf(why, "speaks ABI %u, this ganger speaks %u", plugin->abi_major,
                      GANGER_ABI_MAJOR);
        return STATUS_REFUSED;
    }
    // What version 1.0 had: fields that came later may be missing.
    const size_t handler_min = offsetof(ganger_handler, on_error) + sizeof(void (*)(void));
    const size_t plugin_min = offsetof(struct ganger_plugin, handlers) + sizeof(void *);
    if (plugin->struct_size < plugin_min || plugin->handler_size < handler_min ||
        plugin->handler_size % _Alignof(ganger_handler) != 0 || plugin->handlers == NULL) {
        return refuse(why, "its ganger_plugin_v1 is malformed (see GANGER_PLUGIN)");
    }
    return STATUS_OK;
}

// By descriptor: what was checked is what is loaded.
static Status load(int fd, const struct ganger_plugin **out, StrBuf *why)
{
    char link[32];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    void *library = dlopen(link, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *message = dlerror();
        const char *text = message == NULL ? "dlopen failed" : message;
        const size_t prefix = strlen(link);
        // The number of a descriptor tells people nothing.
        text += strncmp(text, link, prefix) == 0 && strncmp(text + prefix, ": ", 2) == 0
                    ? prefix + 2
                    : 0;
        return refuse(why, text);
    }
    const struct ganger_plugin *plugin = dlsym(library, "ganger_plugin_v1");
    if (plugin == NULL) {
        return refuse(why, "no symbol ganger_plugin_v1: not a ganger handler");
    }
    *out = plugin;
    return check_plugin(plugin, why);
}

static Status try_load(int fd, StrBuf *why)
{
    const struct ganger_plugin *plugin = NULL;
    return load(fd, &plugin, why);
}

static Status load_checked(int fd, const struct ganger_plugin **out, int64_t limit_ms, StrBuf *why)
{
    TRY(plugin_trial(try_load, fd, limit_ms, why));
    return load(fd, out, why);
}

Status plugin_load(const struct ganger_plugin **out, const char *path, int64_t limit_ms,
                   StrBuf *why)
{
    *out = NULL;
    int fd = -1;
    TRY(plugin_file_open(&fd, path, why));
    const Status status = load_checked(fd, out, limit_ms, why);
    if (status != STATUS_OK) {
        *out = NULL;
        close(fd);
    }
    // A loaded file's descriptor stays open: the loader knows the library by the name
    // /proc/self/fd/N, and would take the next file under the same number for this one.
    return status;
}

const ganger_handler *plugin_find_handler(const struct ganger_plugin *plugin, const char *job_type,
                                          StrBuf *why)
{
    StrBuf known = {0};
    const char *at = (const char *)plugin->handlers;
    for (int i = 0; i < HANDLERS_MAX; i++, at += plugin->handler_size) {
        const ganger_handler *handler = (const void *)at;
        if (handler->job_type == NULL) {
            break;
        }
        if (str_equal(handler->job_type, job_type)) {
            strbuf_free(&known);
            if (handler->run == NULL) {
                strbuf_printf(why, "its handler for job type '%s' has no run function", job_type);
                return NULL;
            }
            return handler;
        }
        strbuf_printf(&known, "%s%s", known.length > 0 ? ", " : "", handler->job_type);
    }
    strbuf_printf(why, "has no handler for job type '%s'; it has: %s", job_type,
                  known.length > 0 ? known.text : "none");
    strbuf_free(&known);
    return NULL;
}
