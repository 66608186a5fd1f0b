// SPDX-License-Identifier: MIT
// Config field: see the header.
#include "common/base/config_field.h"

#include <stdlib.h>

#include "common/base/config_json.h"
#include "common/base/config_value.h"
#include "common/base/config_yaml.h"

// One scalar of an option or list, with its variables replaced; NULL when told, else caller frees.
static char *read_text(const ConfigOption *option, const char *what, const yaml_node_t *node,
                       ConfigPlace place, ConfigErrors *errors)
{
    const char *text = config_node_text(node, what, place, errors);
    if (text == NULL) {
        return NULL;
    }
    if (config_node_is_null(node)) {
        config_error(errors, place, "%s: a value is missing%s", what,
                     text[0] == '\0' ? "" : " (put the word in quotes if it is meant)");
        return NULL;
    }
    if (option->type == OPTION_ARGV) {
        return mem_strdup(text);
    }
    StrBuf expanded = {0};
    StrBuf why = {0};
    if (!config_expand(text, &expanded, &why)) {
        config_error(errors, place, "%s: %s", what, why.text);
        strbuf_free(&why);
        strbuf_free(&expanded);
        return NULL;
    }
    strbuf_free(&why);
    return strbuf_take(&expanded);
}

static bool read_list(const ConfigOption *option, const char *what, const Entry *entry,
                      yaml_document_t *document, void *owner, ConfigErrors *errors)
{
    const yaml_node_t *node = entry->value;
    ConfigPlace place = config_yaml_place(node->start_mark);
    bool is_one = option->takes_one && node->type == YAML_SCALAR_NODE && !config_node_is_null(node);
    if (node->type != YAML_SEQUENCE_NODE && !is_one) {
        config_error(errors, config_node_is_null(node) ? entry->place : place,
                     "%s: expected a list, such as [a, b]", what);
        return false;
    }
    const yaml_node_item_t *items = is_one ? NULL : node->data.sequence.items.start;
    size_t count = is_one ? 1 : (size_t)(node->data.sequence.items.top - items);
    StrBuf why = {0};
    bool is_fine = config_value_check_count(option, count, &why);
    if (!is_fine) {
        config_error(errors, place, "%s: %s", what, why.text);
        count = 0;
    }
    config_value_clear(option, owner);
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item = is_one ? node : yaml_document_get_node(document, items[i]);
        ConfigPlace item_place = config_yaml_place(item->start_mark);
        char *text = read_text(option, what, item, item_place, errors);
        strbuf_clear(&why);
        if (text == NULL) {
            is_fine = false;
        } else if (!config_value_append(option, text, owner, &why)) {
            config_error(errors, item_place, "%s: %s", what, why.text);
            is_fine = false;
        }
        free(text);
    }
    strbuf_free(&why);
    return is_fine;
}

// "Name: value" of each entry. What is wrong is told at the entry.
static bool read_header(const ConfigOption *option, const char *what, const Entry *entry,
                        void *owner, ConfigErrors *errors)
{
    StrBuf why = {0};
    char *value = read_text(option, what, entry->value, entry->place, errors);
    char *line = mem_printf("%s: %s", entry->name, value != NULL ? value : "");
    const bool is_fine = value != NULL && config_value_append(option, line, owner, &why);
    if (value != NULL && !is_fine) {
        config_error(errors, entry->place, "%s: %s", what, why.text);
    }
    strbuf_free(&why);
    free(line);
    free(value);
    return is_fine;
}

static bool read_headers(const ConfigOption *option, const char *what, const Entry *entry,
                         yaml_document_t *document, void *owner, ConfigErrors *errors)
{
    const yaml_node_t *node = entry->value;
    ConfigPlace place = config_yaml_place(node->start_mark);
    if (node->type != YAML_MAPPING_NODE) {
        config_error(errors, config_node_is_null(node) ? entry->place : place,
                     "%s: expected names and values, such as {X-Source: shop}", what);
        return false;
    }
    char *path = mem_printf("%s.", what);
    Entries headers = config_collect_entries(document, node, path, errors);
    free(path);
    StrBuf why = {0};
    bool is_fine = config_value_check_count(option, headers.count, &why);
    if (!is_fine) {
        config_error(errors, place, "%s: %s", what, why.text);
        headers.count = 0;
    }
    strbuf_free(&why);
    config_value_clear(option, owner);
    for (size_t i = 0; i < headers.count; i++) {
        is_fine = read_header(option, what, &headers.items[i], owner, errors) && is_fine;
    }
    free(headers.items);
    return is_fine;
}

static bool read_scalar(const ConfigOption *option, const char *what, const Entry *entry,
                        void *owner, ConfigErrors *errors)
{
    // Nothing has no place of its own.
    ConfigPlace place = config_node_is_null(entry->value)
                            ? entry->place
                            : config_yaml_place(entry->value->start_mark);
    char *text = read_text(option, what, entry->value, place, errors);
    StrBuf why = {0};
    bool is_fine = text != NULL && config_value_set(option, text, owner, &why);
    if (text != NULL && !is_fine) {
        config_error(errors, place, "%s: %s", what, why.text);
    }
    strbuf_free(&why);
    free(text);
    return is_fine;
}

// A text that looks like JSON is one that was meant to be it.
static void warn_of_text(const char *what, const yaml_node_t *node, ConfigErrors *errors)
{
    const char *text = node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : "";
    if (text[0] == '{' || text[0] == '[') {
        config_warning(errors, config_yaml_place(node->start_mark),
                       "%s: is a text; without the quotes it is a JSON %s", what,
                       text[0] == '{' ? "object" : "array");
    }
}

static bool read_json(const ConfigOption *option, const char *what, const Entry *entry,
                      yaml_document_t *document, void *owner, ConfigErrors *errors)
{
    StrBuf json = {0};
    StrBuf why = {0};
    bool is_fine = config_json_from_node(document, entry->value, what, option->max, errors, &json);
    if (is_fine) {
        warn_of_text(what, entry->value, errors);
        is_fine = config_value_set(option, json.text, owner, &why);
        if (!is_fine) { // quotes and escapes have made it longer
            config_error(errors, config_yaml_place(entry->value->start_mark), "%s: %s", what,
                         why.text);
        }
    }
    strbuf_free(&json);
    strbuf_free(&why);
    return is_fine;
}

bool config_field_read(const ConfigOption *option, const char *what, const Entry *entry,
                       yaml_document_t *document, void *owner, ConfigErrors *errors)
{
    if (option->type == OPTION_LIST || option->type == OPTION_ARGV) {
        return read_list(option, what, entry, document, owner, errors);
    }
    if (option->type == OPTION_HEADERS) {
        return read_headers(option, what, entry, document, owner, errors);
    }
    if (option->type == OPTION_JSON) {
        return read_json(option, what, entry, document, owner, errors);
    }
    return read_scalar(option, what, entry, owner, errors);
}
