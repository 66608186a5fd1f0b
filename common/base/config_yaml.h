// SPDX-License-Identifier: MIT
// Config YAML: bytes to a libyaml document, with the limits that make a hostile file harmless.
#ifndef COMMON_BASE_CONFIG_YAML_H
#define COMMON_BASE_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "common/base/config.h"
#include "common/base/config_error.h"

enum { CONFIG_YAML_MAX_BYTES = 1 << 20, CONFIG_YAML_MAX_DEPTH = 32, CONFIG_YAML_MAX_ALIASES = 100 };

// On true the caller ends with yaml_document_delete; mistakes that leave the document readable may
// have been added to `errors` all the same. Without content the document has no root node.
// The document has no cycle, and no node deeper than the limit.
bool config_yaml_read(const char *text, size_t length, yaml_document_t *document,
                      ConfigErrors *errors);

ConfigPlace config_yaml_place(yaml_mark_t mark);

#endif
