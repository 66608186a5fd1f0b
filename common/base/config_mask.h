// SPDX-License-Identifier: MIT
// Config mask: connection strings without their passwords, for people to see.
#ifndef COMMON_BASE_CONFIG_MASK_H
#define COMMON_BASE_CONFIG_MASK_H

#include "common/base/memory.h"

// Appends `url` (a URL or key=value text for libpq) with every password replaced by ***. What is
// doubtful is masked rather than shown.
void config_mask_url(const char *url, StrBuf *out);

#endif
