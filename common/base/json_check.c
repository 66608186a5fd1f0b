// SPDX-License-Identifier: MIT
// Strict JSON validator: one pass, no allocation, nesting kept in a bit per level instead of
// recursion.
#include "common/base/json_check.h"

#include <string.h>

#include "common/base/utf8.h"

typedef struct JsonScan {
    const char *text;
    size_t length;
    size_t at;
    const char *why;
    int depth;
    bool is_object[JSON_DEPTH_MAX];
} JsonScan;

static bool check_document(JsonScan *scan);
static bool check_scalar(JsonScan *scan);
static bool check_string(JsonScan *scan);
static bool check_number(JsonScan *scan);

bool json_check(const char *text, size_t length, const char **why, size_t *offset)
{
    JsonScan scan = {.text = text, .length = length};
    bool ok = check_document(&scan);
    if (why != NULL) {
        *why = ok ? NULL : scan.why;
    }
    if (offset != NULL) {
        *offset = scan.at;
    }
    return ok;
}

static bool refuse(JsonScan *scan, const char *why)
{
    scan->why = why;
    return false;
}

// The next byte, or NUL at the end (a NUL inside is no part of JSON either).
static char peek(const JsonScan *scan)
{
    return scan->at < scan->length ? scan->text[scan->at] : '\0';
}

static bool take(JsonScan *scan, char c)
{
    if (peek(scan) != c) {
        return false;
    }
    scan->at++;
    return true;
}

static void skip_space(JsonScan *scan)
{
    while (scan->at < scan->length && json_is_space(scan->text[scan->at])) {
        scan->at++;
    }
}

// Name and colon of the next member of an object.
static bool check_name(JsonScan *scan)
{
    skip_space(scan);
    if (peek(scan) != '"') {
        return refuse(scan, "a member name in quotes is missing");
    }
    if (!check_string(scan)) {
        return false;
    }
    skip_space(scan);
    return take(scan, ':') || refuse(scan, "a colon is missing");
}

// Opens an array or object; *is_value becomes true when it was an empty one, so already complete.
static bool open_container(JsonScan *scan, bool is_object, bool *is_value)
{
    if (scan->depth == JSON_DEPTH_MAX) {
        return refuse(scan, "nested too deeply");
    }
    scan->at++;
    skip_space(scan);
    if (take(scan, is_object ? '}' : ']')) {
        *is_value = true;
        return true;
    }
    scan->is_object[scan->depth++] = is_object;
    *is_value = false;
    return !is_object || check_name(scan);
}

// After a value: closes what ends here and moves to the next element. *more is false at the very
// end.
static bool after_value(JsonScan *scan, bool *more)
{
    while (scan->depth > 0) {
        const bool is_object = scan->is_object[scan->depth - 1];
        skip_space(scan);
        if (take(scan, ',')) {
            *more = true;
            return !is_object || check_name(scan);
        }
        if (!take(scan, is_object ? '}' : ']')) {
            return refuse(scan, "a comma or a closing bracket is missing");
        }
        scan->depth--;
    }
    *more = false;
    return true;
}

static bool check_document(JsonScan *scan)
{
    bool more = true;
    while (more) {
        skip_space(scan);
        const char c = peek(scan);
        bool is_value = true;
        if (c == '{' || c == '[') {
            if (!open_container(scan, c == '{', &is_value)) {
                return false;
            }
        } else if (!check_scalar(scan)) {
            return false;
        }
        if (is_value && !after_value(scan, &more)) {
            return false;
        }
    }
    skip_space(scan);
    return scan->at == scan->length || refuse(scan, "more text after the value");
}

static bool check_scalar(JsonScan *scan)
{
    static const char *const words[] = {"true", "false", "null"};
    if (scan->at == scan->length) {
        return refuse(scan, "a value is missing");
    }
    if (peek(scan) == '"') {
        return check_string(scan);
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const size_t length = strlen(words[i]);
        if (scan->length - scan->at >= length &&
            memcmp(scan->text + scan->at, words[i], length) == 0) {
            scan->at += length;
            return true;
        }
    }
    return check_number(scan);
}

// Four hex digits after \u; -1 when they are not.
static int take_hex4(JsonScan *scan)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        const char c = peek(scan);
        int digit = 0;
        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if (c >= 'a' && c <= 'f') {
            digit = c - 'a' + 10;
        } else if (c >= 'A' && c <= 'F') {
            digit = c - 'A' + 10;
        } else {
            return -1;
        }
        value = value * 16 + digit;
        scan->at++;
    }
    return value;
}

static bool check_unicode_escape(JsonScan *scan)
{
    const int unit = take_hex4(scan);
    if (unit < 0) {
        return refuse(scan, "\\u needs four hex digits");
    }
    if (unit == 0) {
        return refuse(scan, "\\u0000 cannot be stored");
    }
    if (unit >= 0xDC00 && unit <= 0xDFFF) {
        return refuse(scan, "half a surrogate pair");
    }
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        const int low = take(scan, '\\') && take(scan, 'u') ? take_hex4(scan) : -1;
        return (low >= 0xDC00 && low <= 0xDFFF) || refuse(scan, "half a surrogate pair");
    }
    return true;
}

static bool check_string(JsonScan *scan)
{
    scan->at++;
    while (scan->at < scan->length) {
        const unsigned char c = (unsigned char)scan->text[scan->at];
        if (c == '"') {
            scan->at++;
            return true;
        }
        if (c < 0x20) {
            return refuse(scan, "a control character inside a string");
        }
        if (c == '\\') {
            scan->at++;
            const char escape = peek(scan);
            if (escape == '\0' || strchr("\"\\/bfnrtu", escape) == NULL) {
                return refuse(scan, "an unknown escape");
            }
            scan->at++;
            if (escape == 'u' && !check_unicode_escape(scan)) {
                return false;
            }
            continue;
        }
        const size_t bytes = utf8_sequence_length(scan->text + scan->at, scan->length - scan->at);
        if (bytes == 0) {
            return refuse(scan, "not UTF-8");
        }
        scan->at += bytes;
    }
    return refuse(scan, "a string without end");
}

static size_t take_digits(JsonScan *scan)
{
    const size_t start = scan->at;
    while (peek(scan) >= '0' && peek(scan) <= '9') {
        scan->at++;
    }
    return scan->at - start;
}

static bool check_exponent(JsonScan *scan)
{
    if (!take(scan, 'e') && !take(scan, 'E')) {
        return true;
    }
    if (!take(scan, '+')) {
        (void)take(scan, '-');
    }
    int value = 0;
    const size_t start = scan->at;
    while (peek(scan) >= '0' && peek(scan) <= '9') {
        value = value > JSON_EXPONENT_MAX ? value : value * 10 + (peek(scan) - '0');
        scan->at++;
    }
    if (scan->at == start) {
        return refuse(scan, "an exponent without digits");
    }
    return value <= JSON_EXPONENT_MAX || refuse(scan, "a number out of range");
}

static bool check_number(JsonScan *scan)
{
    (void)take(scan, '-');
    const bool leading_zero = peek(scan) == '0';
    size_t digits = take_digits(scan);
    if (digits == 0) {
        return refuse(scan, "not a JSON value");
    }
    if (leading_zero && digits > 1) {
        return refuse(scan, "a number with a leading zero");
    }
    if (take(scan, '.')) {
        const size_t fraction = take_digits(scan);
        if (fraction == 0) {
            return refuse(scan, "a decimal point without digits");
        }
        digits += fraction;
    }
    if (digits > JSON_DIGITS_MAX) {
        return refuse(scan, "a number out of range");
    }
    return check_exponent(scan);
}
