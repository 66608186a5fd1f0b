// SPDX-License-Identifier: MIT
// Config JSON: YAML values as JSON, and what the file says of a schedule or queue as JSON for the database.
#ifndef COMMON_BASE_CONFIG_JSON_H
#define COMMON_BASE_CONFIG_JSON_H

#include <stdbool.h>
#include <yaml.h>

#include "common/base/config.h"
#include "common/base/config_error.h"
#include "common/base/config_options.h"

// Appends a YAML node as JSON. A text in quotes is a text; one without is null, true, false or a number where JSON
// writes it so, else a text. False (told as `what`) when it cannot be JSON, or is longer than `max_bytes`.
bool config_json_from_node(yaml_document_t *document, const yaml_node_t *node, const char *what,
                           int64_t max_bytes, ConfigErrors *errors, StrBuf *out);

// Appends an object of what stands in the file or has a default; `none` is left out. Durations are texts in milliseconds, as
// PostgreSQL reads them; a subsection is an object of its own.
void config_json_print(SectionOwner owner, const void *object, const ConfigPlace *places,
                       StrBuf *out);
void config_json_append_list(const StringList *list, StrBuf *out);

#endif
