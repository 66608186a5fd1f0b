// SPDX-License-Identifier: MIT
// Durations ("1h30m", "500ms") and sizes ("512MiB") as people write them.
#ifndef COMMON_BASE_DURATION_H
#define COMMON_BASE_DURATION_H

#include <stdint.h>

#include "common/base/memory.h"
#include "common/base/status.h"

// Units ms, s, m, h, d, w; several may follow one another, largest first; a unit is required except
// for a bare 0. STATUS_REFUSED: not such a text, or above 100 years; *why says which (static text).
MUST_CHECK Status duration_parse(const char *text, int64_t *ms, const char **why);
// The shortest text that duration_parse reads back as `ms`; "0s" for 0 and below.
void duration_format(int64_t ms, char *out, size_t size);
// One number and one unit of B, KiB, MiB, GiB, kB, MB, GB; or a bare 0.
MUST_CHECK Status size_parse(const char *text, int64_t *bytes, const char **why);
void size_format(int64_t bytes, char *out, size_t size);

#endif
