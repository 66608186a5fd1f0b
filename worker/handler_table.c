// SPDX-License-Identifier: MIT
// The handlers this worker has: those of the configuration that its pool wants and that could be
// loaded.
#include "worker/handler_table.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/config_options.h"
#include "common/base/log.h"
#include "worker/exec_child.h"
#include "worker/http_handler.h"
#include "worker/plugin_loader.h"
#include "worker/sandbox.h"
#include "worker/sql_handler.h"

typedef struct LoadedPlugin { // one per file, however many job types it serves
    char *path;
    const struct ganger_plugin *plugin; // NULL = refused
    char *why;
    StrBuf job_types; // of a refused one: what is not claimed for it, for the log
    int line;         // the first that names it
} LoadedPlugin;

struct HandlerTable {
    Handler *handlers;
    int count;
    LoadedPlugin *plugins;
    size_t plugin_count;
    HandlerConfig *hooks; // of on_error hooks: as their handler's, under another job type
    size_t hook_count;
    int sql_count;
    int64_t load_until; // clock_boot_ms
};

static bool load_handler(HandlerTable *table, const Config *config, const HandlerConfig *handler,
                         Db *db, StrBuf *why);
static bool load_plugin(HandlerTable *table, const Config *config, const HandlerConfig *handler,
                        Handler *out, StrBuf *why);
static void add_hook(HandlerTable *table, const Config *config, const Handler *handler);

static bool is_wanted(const PoolConfig *pool, const char *job_type)
{
    for (size_t i = 0; i < pool->job_types.count; i++) {
        if (str_equal(pool->job_types.items[i], job_type)) {
            return true;
        }
    }
    return pool->job_types.count == 0;
}

static int compare_handlers(const void *a, const void *b)
{
    const Handler *left = a;
    const Handler *right = b;
    return strcmp(left->config->job_type, right->config->job_type);
}

// Each once, whatever the number of its handlers.
static void log_refused_plugins(const HandlerTable *table)
{
    for (size_t i = 0; i < table->plugin_count; i++) {
        const LoadedPlugin *plugin = &table->plugins[i];
        if (plugin->plugin == NULL) {
            log_error("handler.refused", "job_type=\"%s\" reason=\"%s: %s\" line=%d",
                      plugin->job_types.text, plugin->path, plugin->why, plugin->line);
        }
    }
}

void handler_table_load(HandlerTable **out, const Config *config, const PoolConfig *pool, Db *db,
                        Slot *slot)
{
    if (slot != NULL) {
        slot_refused_clear(slot);
    }
    HandlerTable *table = mem_alloc(sizeof *table);
    table->handlers = mem_alloc(sizeof *table->handlers * (2 * config->handler_count + 1));
    table->hooks = mem_alloc(sizeof *table->hooks * (config->handler_count + 1));
    table->plugins = mem_alloc(sizeof *table->plugins * (config->handler_count + 1));
    table->load_until = clock_boot_ms() + HANDLER_LOAD_BUDGET_MS;
    StrBuf why = {0};
    for (size_t i = 0; i < config->handler_count; i++) {
        const HandlerConfig *handler = &config->handlers[i];
        strbuf_clear(&why);
        if (!is_wanted(pool, handler->job_type) || load_handler(table, config, handler, db, &why)) {
            continue;
        }
        if (slot != NULL) {
            slot_refused_add(slot, handler->job_type);
        }
        if (why.length > 0) {
            log_error("handler.refused", "job_type=\"%s\" reason=\"%s\" line=%d", handler->job_type,
                      why.text, handler->line);
        }
    }
    strbuf_free(&why);
    log_refused_plugins(table);
    if (table->count > 1) {
        qsort(table->handlers, (size_t)table->count, sizeof *table->handlers, compare_handlers);
    }
    *out = table;
}

void handler_table_number(HandlerTable *table, const CounterNames *names)
{
    for (int i = 0; i < table->count; i++) {
        Handler *handler = &table->handlers[i];
        handler->counter_row =
            counter_names_find(names, handler->config->job_type, COUNTER_NAME_BYTES);
    }
}

void handler_table_destroy(HandlerTable *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->plugin_count; i++) {
        free(table->plugins[i].path);
        free(table->plugins[i].why);
        strbuf_free(&table->plugins[i].job_types);
    }
    for (size_t i = 0; i < table->hook_count; i++) {
        free(table->hooks[i].job_type);
    }
    for (int i = 0; i < table->count; i++) {
        http_handler_destroy(table->handlers[i].http);
        sql_handler_free(table->handlers[i].sql_call);
    }
    free(table->hooks);
    free(table->plugins); // the shared objects stay: their code may have left threads or exit hooks
    free(table->handlers);
    free(table);
}

int handler_table_count(const HandlerTable *table)
{
    return table->count;
}

const Handler *handler_table_at(const HandlerTable *table, int index)
{
    return index >= 0 && index < table->count ? &table->handlers[index] : NULL;
}

bool handler_table_fits_sandbox(const HandlerTable *table)
{
    bool has_program = false;
    for (int i = 0; i < table->count; i++) {
        const HandlerConfig *handler = table->handlers[i].config;
        if (handler->kind == HANDLER_EXEC && !handler->sandbox) {
            return false;
        }
        has_program = has_program || handler->kind == HANDLER_EXEC;
    }
    return has_program && table->plugin_count == 0;
}

const Handler *handler_table_find(const HandlerTable *table, const char *job_type)
{
    int low = 0;
    int high = table->count - 1;
    while (low <= high) {
        const int middle = low + (high - low) / 2;
        const int order = strcmp(table->handlers[middle].config->job_type, job_type);
        if (order == 0) {
            return &table->handlers[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle - 1;
        }
    }
    return NULL;
}

// Once: it is the kernel's, not the handler's.
static void warn_without_sandbox(const HandlerConfig *handler)
{
    static bool is_told = false;
    if (handler->sandbox && !is_told && !sandbox_is_available()) {
        is_told = true;
        log_warn("sandbox.missing",
                 "job_type=\"%s\" reason=\"this kernel has no seccomp filters\" "
                 "mend=\"sandbox: false says that it is known\"",
                 handler->job_type);
    }
}

static bool load_handler(HandlerTable *table, const Config *config, const HandlerConfig *handler,
                         Db *db, StrBuf *why)
{
    Handler loaded = {.config = handler};
    bool ok = false;
    switch (handler->kind) {
    case HANDLER_PLUGIN:
        ok = load_plugin(table, config, handler, &loaded, why);
        break;
    case HANDLER_EXEC:
        warn_without_sandbox(handler);
        ok = exec_find_program(handler->exec.items[0], NULL, why) &&
             (handler->apply == NULL || sql_handler_check(handler->apply, true, db, 0, NULL, why));
        break;
    case HANDLER_SQL:
        ok = sql_handler_check(handler->sql, false, db, table->sql_count++, &loaded.sql_call, why);
        break;
    case HANDLER_HTTP:
        ok = http_handler_create(&loaded.http, &handler->http, why);
        break;
    }
    if (ok) {
        table->handlers[table->count++] = loaded;
        add_hook(table, config, &loaded);
    }
    return ok;
}

static bool is_configured(const Config *config, const char *job_type)
{
    for (size_t i = 0; i < config->handler_count; i++) {
        if (str_equal(config->handlers[i].job_type, job_type)) {
            return true;
        }
    }
    return false;
}

// A handler that the configuration gives to the hook's job type takes its place.
static void add_hook(HandlerTable *table, const Config *config, const Handler *handler)
{
    const ganger_handler *entry = handler->plugin_entry;
    if (entry == NULL || entry->on_error == NULL) {
        return;
    }
    char *job_type = mem_printf("%s%s", handler->config->job_type, HOOK_TYPE_SUFFIX);
    if (is_configured(config, job_type)) {
        free(job_type);
        return;
    }
    HandlerConfig *hook = &table->hooks[table->hook_count++];
    *hook = *handler->config;
    hook->job_type = job_type;
    table->handlers[table->count++] =
        (Handler){.config = hook, .plugin_entry = entry, .is_hook = true};
}

static LoadedPlugin *open_plugin(HandlerTable *table, const char *path)
{
    for (size_t i = 0; i < table->plugin_count; i++) {
        if (str_equal(table->plugins[i].path, path)) {
            return &table->plugins[i];
        }
    }
    LoadedPlugin *entry = &table->plugins[table->plugin_count++];
    StrBuf why = {0};
    entry->path = mem_strdup(path);
    const int64_t limit_ms = plugin_load_limit_ms(table->load_until - clock_boot_ms());
    if (plugin_load(&entry->plugin, path, limit_ms, &why) != STATUS_OK) {
        entry->plugin = NULL;
    }
    entry->why = strbuf_take(&why);
    return entry;
}

// The hook's jobs are made in the transaction that writes the failure, which a name that is too long would make impossible.
static bool has_room_for_hook(const HandlerConfig *handler, const ganger_handler *entry,
                              StrBuf *why)
{
    const int64_t most =
        config_section(SECTION_HANDLER)->name_max - (int64_t)strlen(HOOK_TYPE_SUFFIX);
    if (entry->on_error == NULL || (int64_t)strlen(handler->job_type) <= most) {
        return true;
    }
    strbuf_printf(why, "its on_error hook needs a job type of at most %" PRId64 " bytes", most);
    return false;
}

// A refused file is named at the end, with all it was wanted for: `why` stays empty.
static bool load_plugin(HandlerTable *table, const Config *config, const HandlerConfig *handler,
                        Handler *out, StrBuf *why)
{
    if (plugin_leads_out(handler->plugin)) {
        strbuf_printf(why, "%s leads out of the handlers folder: name the file by its full path",
                      handler->plugin);
        return false;
    }
    char *path = plugin_path(config, handler->plugin);
    LoadedPlugin *entry = open_plugin(table, path);
    free(path);
    if (entry->plugin == NULL) {
        strbuf_printf(&entry->job_types, "%s%s", entry->job_types.length > 0 ? ", " : "",
                      handler->job_type);
        entry->line = entry->line > 0 ? entry->line : handler->line;
        return false;
    }
    strbuf_printf(why, "%s: ", entry->path);
    const char *name = handler->symbol != NULL ? handler->symbol : handler->job_type;
    out->plugin_entry = plugin_find_handler(entry->plugin, name, why);
    return out->plugin_entry != NULL && has_room_for_hook(handler, out->plugin_entry, why);
}
