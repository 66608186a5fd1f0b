// SPDX-License-Identifier: MIT
// UTF-8 as PostgreSQL and JSON want it: text from handlers and programs may be anything.
#ifndef COMMON_BASE_UTF8_H
#define COMMON_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

// Length (1..4) of the valid sequence at text[0]; 0 when there is none within `length` bytes.
// A NUL byte is a valid sequence here.
size_t utf8_sequence_length(const char *text, size_t length);

// Is all of it valid? NUL bytes are.
bool utf8_is_valid(const char *text, size_t length);

// Replaces, in place, every NUL and every byte that is not part of a valid sequence by '?'.
void utf8_clean(char *text, size_t length);

#endif
