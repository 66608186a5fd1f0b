// SPDX-License-Identifier: MIT
// Uuids as PostgreSQL writes them: 32 lower-case hex digits, with or without dashes.
#ifndef COMMON_BASE_UUID_H
#define COMMON_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

enum { UUID_BYTES = 16 };

// Reads one uuid at the start of `text`. False when it is none; what follows it is not looked at.
bool uuid_parse(const char *text, uint8_t uuid[UUID_BYTES]);

#endif
