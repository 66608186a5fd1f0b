// SPDX-License-Identifier: MIT
// Config mask: finds passwords the way libpq does, and a little beyond.
#include "common/base/config_mask.h"

static const char mask[] = "***";

// In scheme://user:password@host...: the password; *end is its '@'. NULL when there is none.
static const char *find_password(const char *authority, const char **end)
{
    const char *at = authority + strcspn(authority, "@/");
    if (*at != '@') {
        // libpq ends the search at '/', yet somebody may have forgotten to escape one.
        const char *limit = strchrnul(authority, '?');
        at = memrchr(authority, '@', (size_t)(limit - authority));
    }
    const char *colon = at == NULL ? NULL : memchr(authority, ':', (size_t)(at - authority));
    *end = at;
    return colon == NULL ? NULL : colon + 1;
}

// Past a value: quoted with \ escapes, else up to white space (or & in a URL).
static const char *skip_value(const char *value, bool is_url)
{
    if (!is_url && *value == '\'') {
        const char *at = value + 1;
        while (*at != '\0' && *at != '\'') {
            at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
        }
        return *at == '\'' ? at + 1 : at;
    }
    if (is_url) {
        return strchrnul(value, '&');
    }
    const char *at = value;
    while (*at != '\0' && strchr(" \t\r\n\f\v", *at) == NULL) {
        at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
    }
    return at;
}

// Copies parameters, masking the values of password and sslpassword.
static void mask_parameters(const char *text, bool is_url, StrBuf *out)
{
    static const char key[] = "password";
    const char *rest = text;
    for (const char *found = strstr(rest, key); found != NULL; found = strstr(rest, key)) {
        const char *after = found + strlen(key);
        const char *equals = after + strspn(after, " \t\r\n\f\v");
        const char *value = equals;
        if (*equals == '=') {
            value = equals + 1 + strspn(equals + 1, " \t\r\n\f\v");
        }
        strbuf_append_bytes(out, rest, (size_t)(value - rest));
        rest = value;
        if (*equals == '=') {
            strbuf_append(out, mask);
            rest = skip_value(value, is_url);
        }
    }
    strbuf_append(out, rest);
}

void config_mask_url(const char *url, StrBuf *out)
{
    const char *scheme_end = strstr(url, "://");
    bool is_url = scheme_end != NULL && strncmp(url, "postgres", 8) == 0;
    if (!is_url) {
        mask_parameters(url, false, out);
        return;
    }
    const char *end = NULL;
    const char *password = find_password(scheme_end + 3, &end);
    if (password != NULL) {
        strbuf_append_bytes(out, url, (size_t)(password - url));
        strbuf_append(out, mask);
        url = end;
    }
    mask_parameters(url, true, out);
}

void config_mask_path(const char *url, StrBuf *out)
{
    const char *scheme_end = strstr(url, "://");
    const char *host = scheme_end != NULL ? scheme_end + 3 : url;
    const char *path = host + strcspn(host, "/?");
    strbuf_append_bytes(out, url, (size_t)(path - url));
    strbuf_append(out, path[0] == '\0' || str_equal(path, "/") ? path : "/***");
}
