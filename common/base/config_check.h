// SPDX-License-Identifier: MIT
// Config check: what must hold between options, each of which is fine by itself.
#ifndef COMMON_BASE_CONFIG_CHECK_H
#define COMMON_BASE_CONFIG_CHECK_H

#include "common/base/config.h"
#include "common/base/config_error.h"

// From self-fence to the end of the lease: the node kills what it runs before others may claim it.
enum { CONFIG_FENCE_MARGIN_MS = 5000 };

// Options that are known to be wrong already (place with line -1) are left out.
void config_check(const Config *config, ConfigErrors *errors);
// A part of it (config_webhook.c).
void config_check_webhooks(const Config *config, ConfigErrors *errors);

#endif
