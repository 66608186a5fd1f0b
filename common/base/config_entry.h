// SPDX-License-Identifier: MIT
// Config entry: the keys of one mapping of a YAML document, and the texts of its scalars.
#ifndef COMMON_BASE_CONFIG_ENTRY_H
#define COMMON_BASE_CONFIG_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "common/base/config.h"
#include "common/base/config_error.h"

typedef struct Entry { // a key of a mapping
    const char *name;
    ConfigPlace place;
    yaml_node_t *value;
    size_t order;
} Entry;

typedef struct Entries {
    Entry *items;
    size_t count;
} Entries;

// The keys of a mapping in the order of the file, each once; caller frees items. What cannot be a
// key is told and left out. `path` ends with a dot ("pools.default.") or is empty.
Entries config_collect_entries(yaml_document_t *document, const yaml_node_t *mapping,
                               const char *path, ConfigErrors *errors);

// What YAML calls null: nothing, ~ or null, without quotes.
bool config_node_is_null(const yaml_node_t *node);
// The text of a scalar, borrowed; NULL (told as `what`) when it is not one that can be a C string.
const char *config_node_text(const yaml_node_t *node, const char *what, ConfigPlace place,
                             ConfigErrors *errors);
// Of "pools.default." without its dot, for messages about the section itself.
int config_path_length(const char *path);

#endif
