// SPDX-License-Identifier: MIT
// Config field: the value of one option, from its YAML node to its owner's field.
#ifndef COMMON_BASE_CONFIG_FIELD_H
#define COMMON_BASE_CONFIG_FIELD_H

#include <stdbool.h>
#include <yaml.h>

#include "common/base/config_entry.h"
#include "common/base/config_error.h"
#include "common/base/config_options.h"

// `what` is the option's path, for messages. False: told, and the field is not to be trusted.
bool config_field_read(const ConfigOption *option, const char *what, const Entry *entry,
                       yaml_document_t *document, void *owner, ConfigErrors *errors);

#endif
