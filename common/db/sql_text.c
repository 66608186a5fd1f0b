// SPDX-License-Identifier: MIT
// Places in a script of SQL statements, so that an error can name its line.
#include "common/db/sql_text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

int sql_text_line_of(const char *text, int position)
{
    int line = 1;
    int at = 0;
    for (const char *c = text; *c != '\0'; c++) {
        bool is_continuation = ((unsigned char)*c & 0xC0) == 0x80;
        at += is_continuation ? 0 : 1;
        if (at >= position) {
            break;
        }
        line += *c == '\n' ? 1 : 0;
    }
    return line;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) != 0 || c == '_' || ((unsigned char)c & 0x80) != 0;
}

// Past the closing quote; a doubled quote closes and opens again, which comes to the same.
static const char *skip_quoted(const char *at, bool has_escapes)
{
    char quote = *at++;
    while (*at != '\0' && *at != quote) {
        at += has_escapes && at[0] == '\\' && at[1] != '\0' ? 2 : 1;
    }
    return *at == '\0' ? at : at + 1;
}

// Past the end of a block comment; they nest.
static const char *skip_comment(const char *at)
{
    int depth = 0;
    do {
        if (at[0] == '/' && at[1] == '*') {
            depth++;
            at += 2;
        } else if (at[0] == '*' && at[1] == '/') {
            depth--;
            at += 2;
        } else {
            at++;
        }
    } while (depth > 0 && *at != '\0');
    return at;
}

// Past a dollar-quoted string, or past the single dollar when it begins none.
static const char *skip_dollar(const char *at)
{
    const char *end = at + 1;
    while (is_word(*end)) {
        end++;
    }
    if (*end != '$' || isdigit((unsigned char)at[1]) != 0) {
        return at + 1;
    }
    size_t length = (size_t)(end + 1 - at);
    for (const char *c = end + 1; *c != '\0'; c++) {
        if (*c == '$' && strncmp(c, at, length) == 0) {
            return c + length;
        }
    }
    return end + strlen(end);
}

// Past white space and comments; `at` itself when there is neither.
static const char *skip_blank(const char *at)
{
    if (isspace((unsigned char)*at) != 0) {
        return at + 1;
    }
    if (at[0] == '-' && at[1] == '-') {
        return at + strcspn(at, "\n");
    }
    return at[0] == '/' && at[1] == '*' ? skip_comment(at) : at;
}

// Past one piece of a statement: a quoted text, a word, a character.
static const char *skip_token(const char *at)
{
    if (*at == '\'' || *at == '"') {
        return skip_quoted(at, false);
    }
    if ((*at == 'e' || *at == 'E') && at[1] == '\'') {
        return skip_quoted(at + 1, true);
    }
    if (*at == '$') {
        return skip_dollar(at);
    }
    const char *end = at + 1;
    while (is_word(*at) && (is_word(*end) || *end == '$')) {
        end++;
    }
    return end;
}

int sql_text_statement_line(const char *text, int index)
{
    const char *at = text;
    int parens = 0;
    bool is_inside = false;
    while (*at != '\0') {
        const char *next = skip_blank(at);
        if (next != at) {
            at = next;
            continue;
        }
        if (!is_inside && *at != ';') {
            if (index == 0) {
                int line = 1;
                for (const char *c = text; c < at; c++) {
                    line += *c == '\n' ? 1 : 0;
                }
                return line;
            }
            is_inside = true;
        }
        parens += *at == '(' ? 1 : *at == ')' ? -1 : 0;
        if (*at == ';' && parens <= 0 && is_inside) {
            is_inside = false;
            parens = 0;
            index--;
        }
        at = skip_token(at);
    }
    return 0;
}
