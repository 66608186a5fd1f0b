// SPDX-License-Identifier: MIT
// Config mask: connection strings without their passwords, URLs without their paths, for people to see.
#ifndef COMMON_BASE_CONFIG_MASK_H
#define COMMON_BASE_CONFIG_MASK_H

#include "common/base/memory.h"

// Appends `url` (a URL or key=value text for libpq) with every password replaced by ***. What is
// doubtful is masked rather than shown.
void config_mask_url(const char *url, StrBuf *out);

// Appends the scheme, host and port of an http URL, and *** for the path and query when there are any.
void config_mask_path(const char *url, StrBuf *out);

#endif
