// SPDX-License-Identifier: MIT
// Config read: a walk over the document that knows sections and options from the table only.
#include "common/base/config_read.h"

#include <stdlib.h>

#include "common/base/config_entry.h"
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

static bool names_a_kind(const Entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        const char *name = entries->items[i].name;
        if (str_equal(name, "plugin") || str_equal(name, "exec") || str_equal(name, "sql") ||
            config_name_is_reserved(SECTION_HANDLER, name)) {
            return true;
        }
    }
    return false;
}

// An option of another section: misplaced, or indented wrongly.
static void append_other_section(StrBuf *text, const char *name)
{
    size_t count = 0;
    const ConfigOption *options = config_options(&count);
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
        strbuf_append(&text, "; a handler is one of plugin, exec or sql");
    } else {
        append_other_section(&text, entry->name);
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
        if (config_name_is_reserved(scope->section, entry->name)) {
            config_error(reader->errors, entry->place, "%s%s: not supported by this version",
                         scope->path, entry->name);
        } else {
            tell_unknown(reader, scope, entry, entries);
        }
    } else if (config_section(section)->is_named) {
        read_named(reader, section, path, entry->value, entry->place);
    } else {
        Scope inner = {
            .section = section, .path = path, .owner = scope->owner, .places = scope->places};
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

// What is wrong with the kind of a handler: it must name one, and `symbol` belongs to plugins.
static void check_kind(const Reader *reader, const char *path, HandlerConfig *handler,
                       bool is_known)
{
    static const struct {
        const char *name;
        HandlerKind kind;
    } kinds[] = {{"plugin", HANDLER_PLUGIN}, {"exec", HANDLER_EXEC}, {"sql", HANDLER_SQL}};
    StrBuf named = {0};
    int count = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const ConfigOption *option = config_find_option(SECTION_HANDLER, kinds[i].name);
        if (handler->places[config_option_index(option)].line != 0) {
            handler->kind = kinds[i].kind;
            strbuf_printf(&named, "%s%s", count > 0 ? " and " : "", kinds[i].name);
            count++;
        }
    }
    ConfigPlace place = {.line = handler->line, .column = handler->column};
    int length = config_path_length(path);
    if (count > 1) {
        config_error(reader->errors, place,
                     "%.*s: %s at once; a handler is one of plugin, exec or sql", length, path,
                     named.text);
    } else if (count == 0 && is_known) {
        config_error(reader->errors, place,
                     "%.*s: no kind; a handler is one of plugin, exec or sql", length, path);
    }
    strbuf_free(&named);
    const ConfigOption *symbol = config_find_option(SECTION_HANDLER, "symbol");
    ConfigPlace symbol_place = handler->places[config_option_index(symbol)];
    if (count == 1 && handler->kind != HANDLER_PLUGIN && symbol_place.line > 0) {
        config_error(reader->errors, symbol_place, "%ssymbol: goes with plugin only", path);
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

// A map of user-chosen names: pools or handlers.
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
    if (section == SECTION_POOL) {
        reader->config->pools = mem_alloc((entries.count + 1) * sizeof(PoolConfig));
    } else {
        reader->config->handlers = mem_alloc((entries.count + 1) * sizeof(HandlerConfig));
    }
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
        if (section == SECTION_POOL) {
            read_pool(reader, entry, inner);
        } else {
            read_handler(reader, entry, inner);
        }
        free(inner);
    }
    free(entries.items);
}

// One scalar of an option or list, with its variables replaced; NULL when told, else caller frees.
static char *read_text(const Reader *reader, const ConfigOption *option, const char *what,
                       const yaml_node_t *node, ConfigPlace place)
{
    const char *text = config_node_text(node, what, place, reader->errors);
    if (text == NULL) {
        return NULL;
    }
    if (config_node_is_null(node)) {
        config_error(reader->errors, place, "%s: a value is missing%s", what,
                     text[0] == '\0' ? "" : " (put the word in quotes if it is meant)");
        return NULL;
    }
    if (option->type == OPTION_ARGV) {
        return mem_strdup(text);
    }
    StrBuf expanded = {0};
    StrBuf why = {0};
    if (!config_expand(text, &expanded, &why)) {
        config_error(reader->errors, place, "%s: %s", what, why.text);
        strbuf_free(&why);
        strbuf_free(&expanded);
        return NULL;
    }
    strbuf_free(&why);
    return strbuf_take(&expanded);
}

static bool read_list(Reader *reader, const Scope *scope, const ConfigOption *option,
                      const char *what, const Entry *entry)
{
    const yaml_node_t *node = entry->value;
    ConfigPlace place = config_yaml_place(node->start_mark);
    if (node->type != YAML_SEQUENCE_NODE) {
        config_error(reader->errors, config_node_is_null(node) ? entry->place : place,
                     "%s: expected a list, such as [a, b]", what);
        return false;
    }
    const yaml_node_item_t *items = node->data.sequence.items.start;
    size_t count = (size_t)(node->data.sequence.items.top - items);
    StrBuf why = {0};
    bool is_fine = config_value_check_count(option, count, &why);
    if (!is_fine) {
        config_error(reader->errors, place, "%s: %s", what, why.text);
        count = 0;
    }
    config_value_clear(option, scope->owner);
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item = yaml_document_get_node(reader->document, items[i]);
        ConfigPlace item_place = config_yaml_place(item->start_mark);
        char *text = read_text(reader, option, what, item, item_place);
        strbuf_clear(&why);
        if (text == NULL) {
            is_fine = false;
        } else if (!config_value_append(option, text, scope->owner, &why)) {
            config_error(reader->errors, item_place, "%s: %s", what, why.text);
            is_fine = false;
        }
        free(text);
    }
    strbuf_free(&why);
    return is_fine;
}

static bool read_scalar(Reader *reader, const Scope *scope, const ConfigOption *option,
                        const char *what, const Entry *entry)
{
    // Nothing has no place of its own.
    ConfigPlace place = config_node_is_null(entry->value)
                            ? entry->place
                            : config_yaml_place(entry->value->start_mark);
    char *text = read_text(reader, option, what, entry->value, place);
    StrBuf why = {0};
    bool is_fine = text != NULL && config_value_set(option, text, scope->owner, &why);
    if (text != NULL && !is_fine) {
        config_error(reader->errors, place, "%s: %s", what, why.text);
    }
    strbuf_free(&why);
    free(text);
    return is_fine;
}

static void read_option(Reader *reader, const Scope *scope, const ConfigOption *option,
                        const Entry *entry)
{
    char *what = mem_printf("%s%s", scope->path, option->name);
    bool is_list = option->type == OPTION_LIST || option->type == OPTION_ARGV;
    bool is_fine = is_list ? read_list(reader, scope, option, what, entry)
                           : read_scalar(reader, scope, option, what, entry);
    ConfigPlace *place = &scope->places[config_option_index(option)];
    *place = config_yaml_place(entry->value->start_mark);
    if (!is_fine) {
        place->line = -1;
    }
    free(what);
}
