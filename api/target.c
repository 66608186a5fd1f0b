// SPDX-License-Identifier: MIT
// Target: see the header.
#include "api/target.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/utf8.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// In place; false when an escape is none, stands for NUL, or the result is not UTF-8.
static bool decode(char *text, bool is_query)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '%') {
            int high = hex_value(from[1]);
            int low = high < 0 ? -1 : hex_value(from[2]);
            if (low < 0 || (high == 0 && low == 0)) {
                return false;
            }
            *to++ = (char)(high * 16 + low);
            from += 2;
        } else {
            *to++ = is_query && *from == '+' ? ' ' : *from;
        }
    }
    *to = '\0';
    return utf8_is_valid(text, (size_t)(to - text));
}

static const char *bytes_problem(const char *raw)
{
    if (raw[0] != '/') {
        return "the target of a request is a path that begins with a slash";
    }
    for (const char *at = raw; *at != '\0'; at++) {
        if (*at <= ' ' || *at >= 0x7f || *at == '#') {
            return "the path has a character that must be escaped with %";
        }
    }
    return strlen(raw) > TARGET_BYTES_MAX ? "the path is too long" : NULL;
}

static const char *split_path(Target *target, char *path)
{
    char *at = path + 1;
    while (*at != '\0') {
        char *end = at + strcspn(at, "/");
        bool is_last = *end == '\0';
        *end = '\0';
        if (target->segment_count == TARGET_SEGMENT_MAX) {
            return "the path has too many segments";
        }
        if (!decode(at, false)) {
            return "the path has an escape that stands for no text";
        }
        if (at[0] == '\0' || str_equal(at, ".") || str_equal(at, "..")) {
            return "the path has a segment that is empty, . or ..";
        }
        target->segments[target->segment_count++] = at;
        if (is_last) {
            break;
        }
        at = end + 1;
    }
    return NULL;
}

static const char *split_query(Target *target, char *query)
{
    for (char *at = query; at != NULL && *at != '\0';) {
        char *next = strchr(at, '&');
        if (next != NULL) {
            *next++ = '\0';
        }
        char *value = strchr(at, '=');
        if (value != NULL) {
            *value++ = '\0';
        } else {
            value = at + strlen(at);
        }
        if (*at != '\0' || *value != '\0') {
            if (target->pair_count == TARGET_PAIR_MAX) {
                return "the query has too many parameters";
            }
            if (!decode(at, true) || !decode(value, true)) {
                return "the query has an escape that stands for no text";
            }
            target->pairs[target->pair_count++] = (TargetPair){.name = at, .value = value};
        }
        at = next;
    }
    return NULL;
}

bool target_parse(Target *target, const char *raw, const char **why)
{
    memset(target, 0, sizeof *target);
    *why = bytes_problem(raw);
    if (*why != NULL) {
        return false;
    }
    target->text = mem_strdup(raw);
    char *query = strchr(target->text, '?');
    if (query != NULL) {
        *query++ = '\0';
    }
    *why = split_path(target, target->text);
    if (*why == NULL && query != NULL) {
        *why = split_query(target, query);
    }
    if (*why != NULL) {
        target_free(target);
        return false;
    }
    return true;
}

void target_free(Target *target)
{
    free(target->text);
    memset(target, 0, sizeof *target);
}

const char *target_unknown_query(const Target *target, const char *const *known)
{
    for (size_t i = 0; i < target->pair_count; i++) {
        const char *const *name = known;
        while (*name != NULL && !str_equal(*name, target->pairs[i].name)) {
            name++;
        }
        if (*name == NULL) {
            return target->pairs[i].name;
        }
    }
    return NULL;
}

const char *target_query(const Target *target, const char *name, size_t index)
{
    for (size_t i = 0; i < target->pair_count; i++) {
        if (str_equal(target->pairs[i].name, name) && index-- == 0) {
            return target->pairs[i].value;
        }
    }
    return NULL;
}
