// SPDX-License-Identifier: MIT
// Config entry: collects keys, and refuses those that are given twice.
#include "common/base/config_entry.h"

#include <stdlib.h>

#include "common/base/config_yaml.h"

bool config_node_is_null(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        return false;
    }
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof nulls / sizeof nulls[0]; i++) {
        if (str_equal((const char *)node->data.scalar.value, nulls[i])) {
            return true;
        }
    }
    return false;
}

const char *config_node_text(const yaml_node_t *node, const char *what, ConfigPlace place,
                             ConfigErrors *errors)
{
    if (node->type != YAML_SCALAR_NODE) {
        config_error(errors, place, "%s: expected one value, got a %s", what,
                     node->type == YAML_SEQUENCE_NODE ? "list" : "section");
        return NULL;
    }
    const char *text = (const char *)node->data.scalar.value;
    if (memchr(text, '\0', node->data.scalar.length) != NULL) {
        config_error(errors, place, "%s: the text contains a NUL character", what);
        return NULL;
    }
    return text;
}

int config_path_length(const char *path)
{
    int length = (int)strlen(path);
    return length > 0 ? length - 1 : 0;
}

// Fills one entry; false (told) when its key cannot be one.
static bool fill_entry(yaml_document_t *document, const yaml_node_pair_t *pair, const char *path,
                       Entry *entry, ConfigErrors *errors)
{
    const yaml_node_t *key = yaml_document_get_node(document, pair->key);
    entry->value = yaml_document_get_node(document, pair->value);
    entry->place = config_yaml_place(key->start_mark);
    char *what =
        mem_printf("%.*s%skey", config_path_length(path), path, path[0] != '\0' ? ": " : "");
    entry->name = config_node_text(key, what, entry->place, errors);
    free(what);
    if (entry->name != NULL && str_equal(entry->name, "<<")) {
        config_error(errors, entry->place, "merge keys ('<<') are not supported");
        entry->name = NULL;
    }
    return entry->name != NULL;
}

static int compare_entries(const void *left, const void *right)
{
    const Entry *a = left;
    const Entry *b = right;
    int by_name = strcmp(a->name, b->name);
    return by_name != 0 ? by_name : a->order < b->order ? -1 : 1;
}

static int compare_orders(const void *left, const void *right)
{
    const Entry *a = left;
    const Entry *b = right;
    return a->order < b->order ? -1 : a->order > b->order ? 1 : 0;
}

// Keeps the first of equal names and tells the others; sorted, as a mapping may have 100,000 keys.
static void drop_duplicates(const char *path, Entries *entries, ConfigErrors *errors)
{
    qsort(entries->items, entries->count, sizeof entries->items[0], compare_entries);
    size_t kept = 0;
    for (size_t i = 0; i < entries->count; i++) {
        const Entry *last = kept > 0 ? &entries->items[kept - 1] : NULL;
        bool is_second = last != NULL && str_equal(last->name, entries->items[i].name);
        if (is_second && config_errors_are_full(errors)) {
            config_error(errors, entries->items[i].place, "given twice"); // counted only
        } else if (is_second) {
            StrBuf quoted = {0};
            config_quote(&quoted, last->name);
            config_error(errors, entries->items[i].place,
                         "%.*s%skey %s is given twice; it stands on line %d already",
                         config_path_length(path), path, path[0] != '\0' ? ": " : "", quoted.text,
                         last->place.line);
            strbuf_free(&quoted);
        } else {
            entries->items[kept++] = entries->items[i];
        }
    }
    entries->count = kept;
    qsort(entries->items, kept, sizeof entries->items[0], compare_orders);
}

Entries config_collect_entries(yaml_document_t *document, const yaml_node_t *mapping,
                               const char *path, ConfigErrors *errors)
{
    size_t pairs = (size_t)(mapping->data.mapping.pairs.top - mapping->data.mapping.pairs.start);
    Entries entries = {.items = mem_alloc((pairs + 1) * sizeof(Entry))};
    for (size_t i = 0; i < pairs; i++) {
        Entry *entry = &entries.items[entries.count];
        entry->order = i;
        if (fill_entry(document, &mapping->data.mapping.pairs.start[i], path, entry, errors)) {
            entries.count++;
        }
    }
    drop_duplicates(path, &entries, errors);
    return entries;
}
