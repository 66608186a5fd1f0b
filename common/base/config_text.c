// SPDX-License-Identifier: MIT
// Config text: what a text of the configuration may be, and ${VAR} in it.
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/address_range.h"
#include "common/base/config_error.h"
#include "common/base/config_value.h"
#include "common/base/cron_check.h"
#include "common/base/http_target.h"
#include "common/base/listen_address.h"
#include "common/base/utf8.h"

enum { EXPANDED_MAX_BYTES = 65536, IDENTIFIER_MAX_BYTES = 63 };

static bool is_function_name(const char *text);

static bool has_control_character(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < 0x20 || c == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool is_host(const char *text, StrBuf *why);

static bool is_url(const char *text, StrBuf *why)
{
    HttpTarget target;
    StrBuf cause = {0};
    const bool is_sound = http_target_parse(&target, text, &cause);
    if (!is_sound) {
        strbuf_printf(why, "is no URL that can be sent to: %s", cause.text);
    }
    strbuf_free(&cause);
    return is_sound;
}

static bool is_listen(const char *text, StrBuf *why)
{
    ListenAddress address;
    return listen_address_parse(&address, text, why);
}

static bool is_address(const char *text, StrBuf *why)
{
    AddressRange range;
    return address_range_parse(&range, text, why);
}

bool config_text_check(const char *text, int64_t min, int64_t max, OptionCheck check, StrBuf *why)
{
    size_t length = strlen(text);
    if (length < (size_t)min) {
        if (length == 0) {
            strbuf_append(why, "the text is empty");
        } else {
            strbuf_printf(why, "the text has %zu bytes; at least %" PRId64 " are needed", length,
                          min);
        }
        return false;
    }
    if (length > (size_t)max) {
        strbuf_printf(why, "the text has %zu bytes; at most %" PRId64 " are allowed", length, max);
        return false;
    }
    // What may hold a secret is never shown.
    const bool may_show = check != CHECK_NONE && check != CHECK_HEADER && check != CHECK_URL;
    if (may_show && has_control_character(text)) {
        config_quote(why, text);
        strbuf_append(why, " contains a control character");
        return false;
    }
    if (check == CHECK_FUNCTION && !is_function_name(text)) {
        strbuf_append(why, "expected a function with its schema, such as app.rollup, got ");
        config_quote(why, text);
        return false;
    }
    if (check == CHECK_PATH && text[0] != '/') {
        strbuf_append(why, "expected an absolute path, such as /run/ganger, got ");
        config_quote(why, text);
        return false;
    }
    switch (check) {
    case CHECK_CRON:
        return cron_check(text, why);
    case CHECK_URL:
        return is_url(text, why);
    case CHECK_ALLOWED_HOST:
        return http_host_check(text, why);
    case CHECK_HEADER:
        return http_header_check(text, why);
    case CHECK_ADDRESS:
        return is_address(text, why);
    case CHECK_LISTEN:
        return is_listen(text, why);
    case CHECK_HOST:
        return is_host(text, why);
    case CHECK_NONE:
    case CHECK_NAME:
    case CHECK_FUNCTION:
    case CHECK_PATH:
        break;
    }
    return true;
}

// As a Host header has it; an IPv6 address stands in brackets there.
static bool has_host_form(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    static const char bracketed[] = "0123456789abcdefABCDEF:.";
    size_t length = strlen(text);
    if (text[0] == '[') {
        size_t inner = strspn(text + 1, bracketed);
        return inner > 0 && text[1 + inner] == ']' && text[2 + inner] == '\0';
    }
    return strspn(text, plain) == length;
}

static bool is_host(const char *text, StrBuf *why)
{
    if (!has_host_form(text)) {
        strbuf_append(why, "expected a host name without a port, such as jobs.example.com, got ");
        config_quote(why, text);
        return false;
    }
    return true;
}

// Past one SQL identifier, plain or quoted; NULL when there is none.
static const char *skip_identifier(const char *text)
{
    const char *at = text;
    if (*at == '"') {
        for (at++; *at != '\0' && (*at != '"' || at[1] == '"'); at++) {
            at += *at == '"' ? 1 : 0;
        }
        return *at == '"' && at - text > 1 && at - text - 1 <= IDENTIFIER_MAX_BYTES ? at + 1 : NULL;
    }
    for (; *at != '\0'; at++) {
        char c = *at;
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                         ((unsigned char)c & 0x80) != 0;
        bool is_inner = (c >= '0' && c <= '9') || c == '$';
        if (!is_letter && !(is_inner && at > text)) {
            break;
        }
    }
    return at > text && at - text <= IDENTIFIER_MAX_BYTES ? at : NULL;
}

static bool is_function_name(const char *text)
{
    const char *dot = skip_identifier(text);
    if (dot == NULL || *dot != '.') {
        return false;
    }
    const char *end = skip_identifier(dot + 1);
    return end != NULL && *end == '\0';
}

// Appends the value of the variable that begins at `name`; returns what follows its }, or NULL.
static const char *expand_one(const char *name, StrBuf *out, StrBuf *why)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    size_t length = strspn(name, letters);
    if (length == 0 || name[length] != '}' || (name[0] >= '0' && name[0] <= '9')) {
        strbuf_append(why, "expected ${NAME}; write $${ for a plain ${");
        return NULL;
    }
    char *copy = mem_strndup(name, length);
    const char *value = getenv(copy);
    free(copy);
    if (value == NULL) {
        strbuf_printf(why, "the environment variable %.*s is not set",
                      (int)(length < 100 ? length : 100), name);
        return NULL;
    }
    if (!utf8_is_valid(value, strlen(value))) {
        strbuf_printf(why, "the environment variable %.*s is not UTF-8",
                      (int)(length < 100 ? length : 100), name);
        return NULL;
    }
    strbuf_append(out, value);
    return name + length + 1;
}

bool config_expand(const char *text, StrBuf *out, StrBuf *why)
{
    const char *at = text;
    while (*at != '\0') {
        if (at[0] == '$' && at[1] == '$' && at[2] == '{') {
            strbuf_append(out, "${");
            at += 3;
        } else if (at[0] == '$' && at[1] == '{') {
            at = expand_one(at + 2, out, why);
            if (at == NULL) {
                return false;
            }
            if (out->length > EXPANDED_MAX_BYTES) {
                strbuf_append(why, "the text is too long with its variables replaced");
                return false;
            }
        } else {
            size_t plain = 1 + strcspn(at + 1, "$");
            strbuf_append_bytes(out, at, plain);
            at += plain;
        }
    }
    strbuf_append(out, "");
    return true;
}
