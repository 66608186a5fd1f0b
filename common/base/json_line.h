// SPDX-License-Identifier: MIT
// Reads one flat JSON object: names, and the raw text of each value.
#ifndef COMMON_BASE_JSON_LINE_H
#define COMMON_BASE_JSON_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_LINE_FIELDS_MAX = 16, JSON_LINE_NAME_BYTES = 64 };

typedef struct JsonField {
    char name[JSON_LINE_NAME_BYTES]; // decoded, cut when longer (no name of ours is)
    const char *value;               // raw JSON of any kind, points into the line
    size_t length;
} JsonField;

typedef struct JsonLine {
    JsonField fields[JSON_LINE_FIELDS_MAX];
    size_t count;
} JsonLine;

// Fields point into `text`. False, with *why (static text), when it is not exactly one valid object
// of at most JSON_LINE_FIELDS_MAX members.
bool json_line_parse(JsonLine *line, const char *text, size_t length, const char **why);

// One member of an object with any number of them, by its name; the last one of that name, as jsonb has it. False: there is none, or
// `text` is no valid object.
bool json_line_find(const char *text, size_t length, const char *name, JsonField *field);

// The decoded text of a string value (caller frees), or NULL when the value is no string.
char *json_field_text(const JsonField *field);
// The decoded text of a string member of an object; caller frees. NULL: there is none, it is no string, or `text` is NULL or no object.
char *json_member_text(const char *text, const char *name);
// False when the value is no integer in the range of int64.
bool json_field_int(const JsonField *field, int64_t *value);

#endif
