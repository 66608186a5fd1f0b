// SPDX-License-Identifier: MIT
// Text width: columns on a terminal, cutting to a width, and text from the database made harmless.
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cli/text.h"
#include "common/base/utf8.h"

typedef struct Range {
    uint32_t first;
    uint32_t last;
} Range;

// The blocks that terminals show two columns wide (East Asian Width W and F, and emoji).
static const Range wide_ranges[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xac00, 0xd7a3},
    {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
    {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};
// Combining marks, joiners and selectors: no column of their own.
static const Range empty_ranges[] = {
    {0x0300, 0x036f}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f},
    {0x202a, 0x202e}, {0x2060, 0x206f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f},
};

// Signs that show nothing of themselves and change what is shown of others: the direction of the text around them, its lines, what is
// hidden in it. All of Unicode's format characters and separators but the joiners U+200C and U+200D, which words are spelt with.
static const Range format_ranges[] = {
    {0x00ad, 0x00ad},   {0x0600, 0x0605},   {0x061c, 0x061c},   {0x06dd, 0x06dd},
    {0x070f, 0x070f},   {0x08e2, 0x08e2},   {0x180e, 0x180e},   {0x200b, 0x200b},
    {0x200e, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},   {0xfeff, 0xfeff},
    {0xfff9, 0xfffb},   {0x110bd, 0x110bd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3},
    {0x1d173, 0x1d17a}, {0xe0000, 0xe007f},
};

static bool is_in(uint32_t c, const Range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

// Reads one character; returns its bytes, 0 when they are no valid UTF-8.
static size_t read_character(const char *text, uint32_t *c)
{
    static const unsigned char first_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t length = utf8_sequence_length(text, strnlen(text, 4));
    if (length == 0) {
        return 0;
    }
    *c = (unsigned char)text[0] & first_mask[length];
    for (size_t i = 1; i < length; i++) {
        *c = (*c << 6U) | ((unsigned char)text[i] & 0x3fU);
    }
    return length;
}

static size_t character_width(uint32_t c)
{
    if (is_in(c, empty_ranges, sizeof empty_ranges / sizeof empty_ranges[0])) {
        return 0;
    }
    return is_in(c, wide_ranges, sizeof wide_ranges / sizeof wide_ranges[0]) ? 2 : 1;
}

size_t text_width(const char *text)
{
    size_t width = 0;
    while (*text != '\0') {
        uint32_t c = 0;
        size_t length = read_character(text, &c);
        width += length == 0 ? 1 : character_width(c);
        text += length == 0 ? 1 : length;
    }
    return width;
}

void text_append_cut(StrBuf *out, const char *text, size_t width)
{
    if (text_width(text) <= width) {
        strbuf_append(out, text);
        return;
    }
    size_t used = 0;
    while (*text != '\0') {
        uint32_t c = 0;
        size_t length = read_character(text, &c);
        size_t columns = length == 0 ? 1 : character_width(c);
        if (used + columns + 1 > width) {
            break;
        }
        strbuf_append_bytes(out, text, length == 0 ? 1 : length);
        used += columns;
        text += length == 0 ? 1 : length;
    }
    if (width > 0) {
        strbuf_append(out, "…");
    }
}

// Bytes of the longest beginning of `text` that fits, up to and without the space at which it is broken.
static size_t line_length(const char *text, size_t width)
{
    size_t used = 0;
    size_t at = 0;
    size_t last_space = 0;
    while (text[at] != '\0' && text[at] != '\n') {
        uint32_t c = 0;
        size_t length = read_character(text + at, &c);
        used += length == 0 ? 1 : character_width(c);
        if (c == ' ' && at > 0) {
            last_space = at;
        }
        if (used > width && c != ' ') {
            // A word longer than a line is broken anywhere, but a line is never empty.
            return last_space > 0 ? last_space : at > 0 ? at : length == 0 ? 1 : length;
        }
        at += length == 0 ? 1 : length;
    }
    return at;
}

void text_append_wrapped(StrBuf *out, const char *text, size_t width, size_t indent)
{
    for (;;) {
        size_t length = line_length(text, width);
        strbuf_append_bytes(out, text, length);
        text += length;
        if (*text == '\0') {
            return;
        }
        text += *text == '\n' ? 1 : strspn(text, " ");
        strbuf_append_char(out, '\n');
        if (*text != '\n') {
            strbuf_printf(out, "%*s", (int)indent, "");
        }
    }
}

void text_append_safe(StrBuf *out, const char *text, bool keep_lines)
{
    while (*text != '\0') {
        uint32_t c = 0;
        size_t length = read_character(text, &c);
        if (length == 0) {
            strbuf_append_char(out, '?');
            length = 1;
        } else if (c == '\n' || c == '\t') {
            strbuf_append_char(out, keep_lines ? (char)c : ' ');
        } else if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
            strbuf_printf(out, "\\x%02x", (unsigned)c);
        } else if (is_in(c, format_ranges, sizeof format_ranges / sizeof format_ranges[0])) {
            strbuf_printf(out, "\\u%04x", (unsigned)c);
        } else {
            strbuf_append_bytes(out, text, length);
        }
        text += length;
    }
}
