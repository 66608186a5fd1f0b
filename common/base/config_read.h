// SPDX-License-Identifier: MIT
// Config read: fills a Config from a YAML document, along the table of options.
#ifndef COMMON_BASE_CONFIG_READ_H
#define COMMON_BASE_CONFIG_READ_H

#include <yaml.h>

#include "common/base/config.h"
#include "common/base/config_error.h"

// `config` holds the defaults. Every mistake is added to `errors`; the place of the option it is in
// gets line -1. Without a `pools:` or `handlers:` section the array stays NULL.
void config_read(Config *config, yaml_document_t *document, ConfigErrors *errors);

#endif
