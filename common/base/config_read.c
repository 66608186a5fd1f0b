// SPDX-License-Identifier: MIT
// Config read: a walk over the document that knows sections and options from the table only.
#include "common/base/config_read.h"

#include <stdlib.h>

#include "common/base/config_entry.h"
#include "common/base/config_field.h"
#include "common/base/config_options.h"
#include "common/base/config_value.h"
#include "common/base/config_yaml.h"
#include "common/base/nearest.h"

enum { SECTION_NAMES_MAX = 32, CONFIG_ENTRIES_MAX = 200000 };

typedef struct Reader {
    yaml_document_t *document;
    ConfigErrors *errors;
    Config *config;
    size_t entries_left; // an alias brings the same entries again and again
} Reader;

typedef struct Scope { // a section being read
    SectionId section;
    const char *path; // "pools.default." or ""
    void *owner;
    ConfigPlace *places;
} Scope;

static bool read_mapping(Reader *reader, const Scope *scope, const yaml_node_t *node,
                         ConfigPlace place);
static void read_named(Reader *reader, SectionId section, const char *path, const yaml_node_t *node,
                       ConfigPlace place);
static void read_option(Reader *reader, const Scope *scope, const ConfigOption *option,
                        const Entry *entry);

void config_read(Config *config, yaml_document_t *document, ConfigErrors *errors)
{
    Reader reader = {.document = document,
                     .errors = errors,
                     .config = config,
                     .entries_left = CONFIG_ENTRIES_MAX};
    const yaml_node_t *root = yaml_document_get_root_node(document);
    config->has_content = root != NULL && root->type == YAML_MAPPING_NODE;
    if (root != NULL) {
        Scope scope = {
            .section = SECTION_TOP, .path = "", .owner = config, .places = config->places};
        (void)read_mapping(&reader, &scope, root, config_yaml_place(root->start_mark));
    }
}

// What a handler may be, in messages.
#define HANDLER_KINDS "a handler is one of plugin, exec, sql or http"

static bool names_a_kind(const Entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        const char *name = entries->items[i].name;
        if (str_equal(name, "plugin") || str_equal(name, "exec") || str_equal(name, "sql") ||
            str_equal(name, "http")) {
            return true;
        }
    }
    return false;
}

// An option of another section: misplaced, or indented wrongly.
static void append_other_section(StrBuf *text, SectionId here, const char *name)
{
    size_t count = 0;
    const ConfigOption *options = config_options(&count);
    for (size_t i = 0; i < count;
         i++) { // one below this comes first: there may be several of that name
        const ConfigSection *section = config_section(options[i].section);
        if (str_equal(options[i].name, name) && section->parent == here && here != SECTION_TOP) {
            strbuf_printf(text, "; it belongs in %s", section->name);
            return;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (str_equal(options[i].name, name)) {
            const char *section = config_section(options[i].section)->name;
            strbuf_printf(text, "; it belongs %s%s", section[0] != '\0' ? "in " : "at the top",
                          section);
            return;
        }
    }
    if (config_find_subsection(SECTION_TOP, name) != SECTION_TOP) {
        strbuf_append(text, "; it belongs at the top");
    }
}

static void tell_unknown(const Reader *reader, const Scope *scope, const Entry *entry,
                         const Entries *entries)
{
    if (config_errors_are_full(reader->errors)) {
        config_error(reader->errors, entry->place, "unknown key"); // counted only
        return;
    }
    const char *names[SECTION_NAMES_MAX];
    size_t count = config_section_names(scope->section, names, SECTION_NAMES_MAX);
    const char *near = nearest_name(entry->name, names, count);
    StrBuf text = {0};
    if (scope->path[0] != '\0') {
        strbuf_printf(&text, "%.*s: ", config_path_length(scope->path), scope->path);
    }
    bool is_kind = scope->section == SECTION_HANDLER && near == NULL && !names_a_kind(entries);
    strbuf_append(&text, is_kind ? "unknown handler kind " : "unknown key ");
    config_quote(&text, entry->name);
    if (near != NULL) {
        strbuf_printf(&text, "; did you mean '%s'?", near);
    } else if (is_kind) {
        strbuf_append(&text, "; " HANDLER_KINDS);
    } else {
        append_other_section(&text, scope->section, entry->name);
    }
    config_error(reader->errors, entry->place, "%s", text.text);
    strbuf_free(&text);
}

static void read_entry(Reader *reader, const Scope *scope, const Entry *entry,
                       const Entries *entries, bool *is_known)
{
    const ConfigOption *option = config_find_option(scope->section, entry->name);
    if (option != NULL) {
        read_option(reader, scope, option, entry);
        return;
    }
    char *path = mem_printf("%s%s.", scope->path, entry->name);
    SectionId section = config_find_subsection(scope->section, entry->name);
    if (section == SECTION_TOP) {
        *is_known = false;
        tell_unknown(reader, scope, entry, entries);
    } else if (config_section(section)->is_named) {
        read_named(reader, section, path, entry->value, entry->place);
    } else {
        if (section == SECTION_WEBHOOK) {
            ((HandlerConfig *)scope->owner)->http_place = entry->place;
        }
        Scope inner = {
            .section = section, .path = path, .owner = scope->owner, .places = scope->places};
        if (section == SECTION_HTTP && entry->value->type == YAML_MAPPING_NODE) {
            reader->config->has_http = true;
        }
        (void)read_mapping(reader, &inner, entry->value, entry->place);
    }
    free(path);
}

// True when `node` is a mapping; nothing at all is an empty section, other things are told.
static bool is_section(const Reader *reader, const yaml_node_t *node, const char *path,
                       ConfigPlace place)
{
    if (node->type == YAML_MAPPING_NODE) {
        return true;
    }
    if (!config_node_is_null(node)) {
        config_error(reader->errors, place, "%.*s%sexpected a section (lines of 'key: value')",
                     config_path_length(path), path, path[0] != '\0' ? ": " : "");
    }
    return false;
}

// Told once: with nothing left, what follows reads as empty.
static Entries collect_entries(Reader *reader, const yaml_node_t *node, const char *path,
                               ConfigPlace place)
{
    size_t count = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    if (count > reader->entries_left) {
        if (reader->entries_left > 0) {
            config_error(reader->errors, place, "more than %d entries, counting those of aliases",
                         (int)CONFIG_ENTRIES_MAX);
        }
        reader->entries_left = 0;
        return (Entries){.items = NULL};
    }
    reader->entries_left -= count;
    return config_collect_entries(reader->document, node, path, reader->errors);
}

// Reads a section; false when it holds a key that is not known.
static bool read_mapping(Reader *reader, const Scope *scope, const yaml_node_t *node,
                         ConfigPlace place)
{
    if (!is_section(reader, node, scope->path, place)) {
        return true;
    }
    Entries entries = collect_entries(reader, node, scope->path, place);
    bool is_known = true;
    for (size_t i = 0; i < entries.count; i++) {
        read_entry(reader, scope, &entries.items[i], &entries, &is_known);
    }
    free(entries.items);
    return is_known;
}

// An option that other kinds of handlers do not have.
static void check_belongs(const Reader *reader, const char *path, const HandlerConfig *handler,
                          HandlerKind kind, SectionId section, const char *name, const char *with)
{
    const ConfigOption *option = config_find_option(section, name);
    ConfigPlace place = handler->places[config_option_index(option)];
    if (handler->kind != kind && place.line > 0) {
        config_error(reader->errors, place, "%s%s%s: goes with %s only", path,
                     section == SECTION_LIMITS ? "rlimits." : "", name, with);
    }
}

static void set_webhook_timeout(HandlerConfig *handler)
{
    const ConfigOption *option = config_find_option(SECTION_HANDLER, "timeout");
    if (handler->places[config_option_index(option)].line == 0) {
        handler->timeout_ms = CONFIG_WEBHOOK_TIMEOUT_MS;
    }
}

// There is no process whose limits they could be.
static void refuse_limits(const Reader *reader, const char *path, const HandlerConfig *handler)
{
    size_t count = 0;
    const ConfigOption *options = config_owner_options(OWNER_HANDLER, &count);
    for (size_t i = 0; i < count; i++) {
        if (options[i].section == SECTION_LIMITS && handler->places[i].line > 0) {
            config_error(reader->errors, handler->places[i],
                         "%srlimits.%s: does not go with http; another server does the work", path,
                         options[i].name);
        }
    }
}

// What is wrong with the kind of a handler: it must name one, and some options belong to one kind.
static void check_kind(const Reader *reader, const char *path, HandlerConfig *handler,
                       bool is_known)
{
    static const struct {
        const char *name;
        HandlerKind kind;
    } words[] = {{"plugin", HANDLER_PLUGIN}, {"exec", HANDLER_EXEC}, {"sql", HANDLER_SQL}};
    StrBuf named = {0};
    int count = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const ConfigOption *option = config_find_option(SECTION_HANDLER, words[i].name);
        if (handler->places[config_option_index(option)].line != 0) {
            handler->kind = words[i].kind;
            strbuf_printf(&named, "%s%s", count > 0 ? " and " : "", words[i].name);
            count++;
        }
    }
    if (handler->http_place.line != 0) {
        handler->kind = HANDLER_HTTP;
        strbuf_printf(&named, "%shttp", count > 0 ? " and " : "");
        count++;
    }
    ConfigPlace place = {.line = handler->line, .column = handler->column};
    int length = config_path_length(path);
    if (count > 1) {
        config_error(reader->errors, place, "%.*s: %s at once; " HANDLER_KINDS, length, path,
                     named.text);
    } else if (count == 0 && is_known) {
        config_error(reader->errors, place, "%.*s: no kind; " HANDLER_KINDS, length, path);
    }
    strbuf_free(&named);
    if (count == 1) {
        check_belongs(reader, path, handler, HANDLER_PLUGIN, SECTION_HANDLER, "symbol", "plugin");
        check_belongs(reader, path, handler, HANDLER_EXEC, SECTION_HANDLER, "sandbox", "exec");
        check_belongs(reader, path, handler, HANDLER_EXEC, SECTION_LIMITS, "processes", "exec");
        check_belongs(reader, path, handler, HANDLER_EXEC, SECTION_HANDLER, "apply", "exec");
        if (handler->kind == HANDLER_HTTP) {
            set_webhook_timeout(handler);
            refuse_limits(reader, path, handler);
        }
    }
}

static void read_pool(Reader *reader, const Entry *entry, const char *path)
{
    PoolConfig *pool = &reader->config->pools[reader->config->pool_count++];
    config_owner_init(OWNER_POOL, pool, &pool->places);
    pool->name = mem_strdup(entry->name);
    pool->line = entry->place.line;
    pool->column = entry->place.column;
    Scope scope = {.section = SECTION_POOL, .path = path, .owner = pool, .places = pool->places};
    (void)read_mapping(reader, &scope, entry->value, entry->place);
}

static void read_handler(Reader *reader, const Entry *entry, const char *path)
{
    HandlerConfig *handler = &reader->config->handlers[reader->config->handler_count++];
    config_owner_init(OWNER_HANDLER, handler, &handler->places);
    handler->job_type = mem_strdup(entry->name);
    handler->line = entry->place.line;
    handler->column = entry->place.column;
    Scope scope = {
        .section = SECTION_HANDLER, .path = path, .owner = handler, .places = handler->places};
    bool is_known = read_mapping(reader, &scope, entry->value, entry->place);
    bool is_mapping = config_node_is_null(entry->value) || entry->value->type == YAML_MAPPING_NODE;
    check_kind(reader, path, handler, is_known && is_mapping);
}

static void require(const Reader *reader, const char *path, const ScheduleConfig *schedule,
                    const char *name)
{
    const ConfigOption *option = config_find_option(SECTION_SCHEDULE, name);
    if (schedule->places[config_option_index(option)].line == 0) {
        config_error(reader->errors, (ConfigPlace){schedule->line, schedule->column},
                     "%.*s: %s is missing", config_path_length(path), path, name);
    }
}

static void read_schedule(Reader *reader, const Entry *entry, const char *path)
{
    ScheduleConfig *schedule = &reader->config->schedules[reader->config->schedule_count++];
    config_owner_init(OWNER_SCHEDULE, schedule, &schedule->places);
    schedule->name = mem_strdup(entry->name);
    schedule->line = entry->place.line;
    schedule->column = entry->place.column;
    Scope scope = {
        .section = SECTION_SCHEDULE, .path = path, .owner = schedule, .places = schedule->places};
    bool is_known = read_mapping(reader, &scope, entry->value, entry->place);
    bool is_mapping = config_node_is_null(entry->value) || entry->value->type == YAML_MAPPING_NODE;
    if (is_known && is_mapping) {
        require(reader, path, schedule, "cron");
        require(reader, path, schedule, "job_type");
    }
}

static void read_queue(Reader *reader, const Entry *entry, const char *path)
{
    QueueConfig *queue = &reader->config->queues[reader->config->queue_count++];
    config_owner_init(OWNER_QUEUE, queue, &queue->places);
    queue->name = mem_strdup(entry->name);
    queue->line = entry->place.line;
    queue->column = entry->place.column;
    Scope scope = {.section = SECTION_QUEUE, .path = path, .owner = queue, .places = queue->places};
    (void)read_mapping(reader, &scope, entry->value, entry->place);
    ConfigPlace rate =
        queue->places[config_option_index(config_find_option(SECTION_QUEUE, "rate"))];
    ConfigPlace period =
        queue->places[config_option_index(config_find_option(SECTION_QUEUE, "rate_period"))];
    if (period.line > 0 && rate.line == 0) {
        config_error(reader->errors, period, "%srate_period: goes with rate only", path);
    }
}

// What is in a map of user-chosen names: how an entry is read, and the array they go to.
typedef struct Kind {
    void (*read)(Reader *reader, const Entry *entry, const char *path);
    size_t array; // offset in Config
    size_t size;  // of one
} Kind;

static const Kind kinds[SECTION_COUNT] = {
    [SECTION_POOL] = {read_pool, offsetof(Config, pools), sizeof(PoolConfig)},
    [SECTION_HANDLER] = {read_handler, offsetof(Config, handlers), sizeof(HandlerConfig)},
    [SECTION_SCHEDULE] = {read_schedule, offsetof(Config, schedules), sizeof(ScheduleConfig)},
    [SECTION_QUEUE] = {read_queue, offsetof(Config, queues), sizeof(QueueConfig)},
};

// A map of user-chosen names.
static void read_named(Reader *reader, SectionId section, const char *path, const yaml_node_t *node,
                       ConfigPlace place)
{
    if (!is_section(reader, node, path, place)) {
        return;
    }
    Entries entries = collect_entries(reader, node, path, place);
    if (section == SECTION_POOL && entries.count == 0) {
        config_error(reader->errors, place, "pools: at least one pool is needed");
    }
    const Kind *kind = &kinds[section];
    void *array = mem_alloc((entries.count + 1) * kind->size);
    memcpy((char *)reader->config + kind->array, &array, sizeof array);
    for (size_t i = 0; i < entries.count; i++) {
        const Entry *entry = &entries.items[i];
        StrBuf why = {0};
        if (!config_text_check(entry->name, 1, config_section(section)->name_max, CHECK_NAME,
                               &why)) {
            config_error(reader->errors, entry->place, "%.*s: name: %s", config_path_length(path),
                         path, why.text);
            strbuf_free(&why);
            continue;
        }
        char *inner = mem_printf("%s%s.", path, entry->name);
        kind->read(reader, entry, inner);
        free(inner);
    }
    free(entries.items);
}

static void read_option(Reader *reader, const Scope *scope, const ConfigOption *option,
                        const Entry *entry)
{
    char *what = mem_printf("%s%s", scope->path, option->name);
    bool is_fine =
        config_field_read(option, what, entry, reader->document, scope->owner, reader->errors);
    ConfigPlace *place = &scope->places[config_option_index(option)];
    *place = config_yaml_place(entry->value->start_mark);
    if (!is_fine) {
        place->line = -1;
    }
    free(what);
}
