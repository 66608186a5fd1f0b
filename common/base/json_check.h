// SPDX-License-Identifier: MIT
// Strict JSON validator: true means PostgreSQL will take the text as jsonb, so a result that passed
// it cannot make the statement that writes it fail.
#ifndef COMMON_BASE_JSON_CHECK_H
#define COMMON_BASE_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

enum {
    JSON_DEPTH_MAX = 256,    // nested arrays and objects; far below PostgreSQL's stack limit
    JSON_DIGITS_MAX = 4000,  // of one number, and
    JSON_EXPONENT_MAX = 9999 // its exponent: together inside the range of numeric
};

// True when text[0..length) is one JSON value (RFC 8259) in valid UTF-8 with optional white space
// around it, and has none of what jsonb refuses: \u0000, half surrogate pairs, numbers out of
// range. On false *why (static text) and *offset say what is wrong where; both may be NULL.
bool json_check(const char *text, size_t length, const char **why, size_t *offset);

// White space as JSON knows it.
static inline bool json_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

#endif
