// SPDX-License-Identifier: MIT
// Config JSON: a walk over YAML nodes, whose number and depth config_yaml.c has bounded, and one over the table.
#include "common/base/config_json.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/config_entry.h"
#include "common/base/config_value.h"
#include "common/base/config_yaml.h"
#include "common/base/json_check.h"

typedef struct Writer {
    yaml_document_t *document;
    const char *what;
    size_t max_length; // of the buffer
    ConfigErrors *errors;
    StrBuf *out;
} Writer;

static bool write_node(Writer *writer, const yaml_node_t *node);

bool config_json_from_node(yaml_document_t *document, const yaml_node_t *node, const char *what,
                           int64_t max_bytes, ConfigErrors *errors, StrBuf *out)
{
    Writer writer = {.document = document,
                     .what = what,
                     .max_length = out->length + (size_t)max_bytes,
                     .errors = errors,
                     .out = out};
    return write_node(&writer, node);
}

// Aliases let a short file stand for a very long text: looked at before each part.
static bool has_room(const Writer *writer, const yaml_node_t *node, size_t bytes)
{
    if (writer->out->length + bytes <= writer->max_length) {
        return true;
    }
    config_error(writer->errors, config_yaml_place(node->start_mark), "%s: longer than 1 MiB",
                 writer->what);
    return false;
}

static bool is_number(const char *text)
{
    return (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) &&
           json_check(text, strlen(text), NULL, NULL);
}

static bool write_scalar(Writer *writer, const yaml_node_t *node)
{
    const char *text =
        config_node_text(node, writer->what, config_yaml_place(node->start_mark), writer->errors);
    if (text == NULL || !has_room(writer, node, node->data.scalar.length)) {
        return false;
    }
    bool is_plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (config_node_is_null(node)) {
        strbuf_append(writer->out, "null");
    } else if (is_plain &&
               (str_equal(text, "true") || str_equal(text, "false") || is_number(text))) {
        strbuf_append(writer->out, text);
    } else {
        strbuf_append_json(writer->out, text);
    }
    return true;
}

static bool write_list(Writer *writer, const yaml_node_t *node)
{
    const yaml_node_item_t *items = node->data.sequence.items.start;
    const yaml_node_item_t *end = node->data.sequence.items.top;
    strbuf_append_char(writer->out, '[');
    for (const yaml_node_item_t *item = items; item < end; item++) {
        strbuf_append(writer->out, item == items ? "" : ",");
        if (!write_node(writer, yaml_document_get_node(writer->document, *item))) {
            return false;
        }
    }
    strbuf_append_char(writer->out, ']');
    return true;
}

static bool write_mapping(Writer *writer, const yaml_node_t *node)
{
    char *path = mem_printf("%s.", writer->what);
    size_t mistakes = writer->errors->error_count;
    Entries entries = config_collect_entries(writer->document, node, path, writer->errors);
    free(path);
    bool is_fine = writer->errors->error_count == mistakes;
    strbuf_append_char(writer->out, '{');
    for (size_t i = 0; i < entries.count && is_fine; i++) {
        const Entry *entry = &entries.items[i];
        is_fine = has_room(writer, node, strlen(entry->name));
        strbuf_append(writer->out, i == 0 ? "" : ",");
        strbuf_append_json(writer->out, entry->name);
        strbuf_append_char(writer->out, ':');
        is_fine = is_fine && write_node(writer, entry->value);
    }
    strbuf_append_char(writer->out, '}');
    free(entries.items);
    return is_fine;
}

static bool write_node(Writer *writer, const yaml_node_t *node)
{
    if (!has_room(writer, node, 1)) {
        return false;
    }
    switch (node->type) {
    case YAML_SCALAR_NODE:
        return write_scalar(writer, node);
    case YAML_SEQUENCE_NODE:
        return write_list(writer, node);
    case YAML_MAPPING_NODE:
        return write_mapping(writer, node);
    case YAML_NO_NODE:
        break;
    }
    strbuf_append(writer->out, "null");
    return true;
}

// --- the way to the database

void config_json_append_list(const StringList *list, StrBuf *out)
{
    strbuf_append_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        strbuf_append(out, i == 0 ? "" : ",");
        strbuf_append_json(out, list->items[i]);
    }
    strbuf_append_char(out, ']');
}

static void append_value(const ConfigOption *option, const void *object, const char *text,
                         StrBuf *out)
{
    switch (option->type) {
    case OPTION_LIST:
    case OPTION_ARGV:
    case OPTION_HEADERS:
        config_json_append_list(config_value_list(option, object), out);
        return;
    case OPTION_DURATION:
        strbuf_printf(out, "\"%" PRId64 " milliseconds\"", config_value_number(option, object));
        return;
    case OPTION_INT:
    case OPTION_SIZE:
        strbuf_printf(out, "%" PRId64, config_value_number(option, object));
        return;
    case OPTION_BOOL:
    case OPTION_JSON:
        strbuf_append(out, text);
        return;
    case OPTION_TEXT:
    case OPTION_WORD:
        strbuf_append_json(out, text);
        return;
    }
}

static bool is_said(const ConfigOption *option, const void *object, ConfigPlace place)
{
    bool is_none = option->zero != ZERO_IS_NUMBER && config_value_number(option, object) == 0;
    return (place.line > 0 || option->default_value != NULL) && !is_none;
}

void config_json_print(SectionOwner owner, const void *object, const ConfigPlace *places,
                       StrBuf *out)
{
    size_t count = 0;
    const ConfigOption *options = config_owner_options(owner, &count);
    SectionId section = options[0].section; // its own rows come first
    size_t said = 0;
    strbuf_append_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        const ConfigOption *option = &options[i];
        StrBuf text = {0};
        if (is_said(option, object, places[i]) && config_value_format(option, object, &text)) {
            strbuf_append(out, said == 0 ? "" : ",");
            if (option->section != section) {
                strbuf_append_json(out, config_section(option->section)->name);
                strbuf_append(out, ":{");
                section = option->section;
            }
            strbuf_append_json(out, option->name);
            strbuf_append_char(out, ':');
            append_value(option, object, text.text, out);
            said++;
        }
        strbuf_free(&text);
    }
    strbuf_append(out, section != options[0].section ? "}}" : "}");
}
