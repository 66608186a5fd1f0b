// SPDX-License-Identifier: MIT
// HTTP target: see the header.
#include "common/base/http_target.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <strings.h>

enum { HTTP_PORT = 80, HTTPS_PORT = 443, PORT_MAX = 65535, PORT_MAX_DIGITS = 5, LABEL_MAX = 63 };

typedef struct Authority { // host and port as they stand in a URL or a list
    bool is_ipv6;
    char host[HTTP_TARGET_HOST_BYTES];
    int port; // 0 = none
} Authority;

static bool refuse(StrBuf *why, const char *reason)
{
    strbuf_append(why, reason);
    return false;
}

static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// Names only: 1.2.3.4 would be one, too, and so would 0x7f.1.
static bool is_name(const char *host)
{
    size_t label = 0;
    for (const char *at = host;; at++) {
        if (*at == '.' || *at == '\0') {
            if (label == 0 || label > LABEL_MAX || at[-1] == '-' || at[-(long)label] == '-') {
                return false;
            }
            label = 0;
            if (*at == '\0') {
                return true;
            }
        } else if (!is_host_byte(*at)) {
            return false;
        } else {
            label++;
        }
    }
}

// What some reader takes for an address: its last label is a number, in whatever base.
static bool looks_like_address(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *last = dot != NULL ? dot + 1 : host;
    if (last[0] == '0' && last[1] == 'x') {
        return true;
    }
    return last[strspn(last, "0123456789")] == '\0';
}

static bool read_ipv6(Authority *out, StrBuf *why)
{
    unsigned char bytes[16];
    if (inet_pton(AF_INET6, out->host, bytes) != 1) {
        return refuse(why, "the address in brackets is no IPv6 address");
    }
    return inet_ntop(AF_INET6, bytes, out->host, sizeof out->host) != NULL;
}

static bool check_host(Authority *out, StrBuf *why)
{
    unsigned char bytes[4];
    if (out->is_ipv6) {
        return read_ipv6(out, why);
    }
    if (looks_like_address(out->host)) {
        return inet_pton(AF_INET, out->host, bytes) == 1 ||
               refuse(why, "the host is neither a name nor an address in plain decimal form");
    }
    return is_name(out->host) ||
           refuse(why,
                  "the host is no name of letters, digits, '-' and '.' (write others as xn--...)");
}

static bool read_port(const char *text, size_t length, int *port, StrBuf *why)
{
    const size_t digits = strspn(text, "0123456789");
    if (length == 0 || length > PORT_MAX_DIGITS || digits < length) {
        return refuse(why, "the port is no number from 1 to 65535");
    }
    const long number = strtol(text, NULL, 10);
    if (number < 1 || number > PORT_MAX) {
        return refuse(why, "the port is no number from 1 to 65535");
    }
    *port = (int)number;
    return true;
}

// text[0..length) as host[:port] or [address][:port].
static bool read_authority(Authority *out, const char *text, size_t length, StrBuf *why)
{
    memset(out, 0, sizeof *out);
    out->is_ipv6 = length > 0 && text[0] == '[';
    const char *begin = out->is_ipv6 ? text + 1 : text;
    const char *limit = text + length;
    const char *end = memchr(begin, out->is_ipv6 ? ']' : ':', (size_t)(limit - begin));
    if (out->is_ipv6 && end == NULL) {
        return refuse(why, "a ']' is missing");
    }
    end = end != NULL ? end : limit;
    const size_t bytes = (size_t)(end - begin);
    if (bytes == 0 || bytes >= sizeof out->host) {
        return refuse(why, bytes == 0 ? "it names no host" : "the host's name is too long");
    }
    for (size_t i = 0; i < bytes; i++) {
        const char c = begin[i];
        out->host[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    const char *rest = out->is_ipv6 ? end + 1 : end;
    if (rest < limit && *rest != ':') {
        return refuse(why, "what follows ']' is no port");
    }
    if (rest < limit && !read_port(rest + 1, (size_t)(limit - rest - 1), &out->port, why)) {
        return false;
    }
    return check_host(out, why);
}

static bool check_bytes(const char *url, StrBuf *why)
{
    if (strlen(url) > HTTP_TARGET_URL_MAX_BYTES) {
        return refuse(why, "it is longer than 2048 bytes");
    }
    for (const char *at = url; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~') {
            return refuse(why,
                          "it has blanks, control characters or bytes beyond ASCII (write %XX)");
        }
        if (*at == '\\') {
            return refuse(why, "it has a backslash");
        }
        if (*at == '#') {
            return refuse(why, "it has a fragment (#...), which is never sent");
        }
    }
    return true;
}

bool http_target_parse(HttpTarget *out, const char *url, StrBuf *why)
{
    static const char plain[] = "http://";
    static const char tls[] = "https://";
    memset(out, 0, sizeof *out);
    if (!check_bytes(url, why)) {
        return false;
    }
    out->is_tls = strncasecmp(url, tls, sizeof tls - 1) == 0;
    if (!out->is_tls && strncasecmp(url, plain, sizeof plain - 1) != 0) {
        return refuse(why, "it does not begin with https:// or http://");
    }
    const char *host = url + (out->is_tls ? sizeof tls : sizeof plain) - 1;
    const size_t length = strcspn(host, "/?");
    if (memchr(host, '@', length) != NULL) {
        return refuse(why, "it has a user name or password; put them into a header");
    }
    Authority authority;
    if (!read_authority(&authority, host, length, why)) {
        return false;
    }
    const char *path = host + length;
    out->is_ipv6 = authority.is_ipv6;
    memcpy(out->host, authority.host, sizeof out->host);
    out->port = authority.port != 0 ? authority.port : out->is_tls ? HTTPS_PORT : HTTP_PORT;
    out->path[0] = '/';
    return str_copy(out->path + (*path == '/' ? 0 : 1), sizeof out->path - 1, path);
}

void http_target_format(const HttpTarget *target, StrBuf *out)
{
    strbuf_printf(out, "%s://%s%s%s:%d%s", target->is_tls ? "https" : "http",
                  target->is_ipv6 ? "[" : "", target->host, target->is_ipv6 ? "]" : "",
                  target->port, target->path);
}

// Past "*."; the entry itself when it does not begin so.
static const char *behind_star(const char *entry)
{
    return entry[0] == '*' && entry[1] == '.' ? entry + 2 : entry;
}

bool http_host_check(const char *entry, StrBuf *why)
{
    Authority authority;
    StrBuf cause = {0};
    const char *host = behind_star(entry);
    bool is_sound = read_authority(&authority, host, strlen(host), &cause);
    if (is_sound && host != entry && (authority.is_ipv6 || looks_like_address(authority.host))) {
        is_sound = refuse(&cause, "an address has no names below it");
    }
    if (!is_sound) {
        strbuf_printf(why,
                      "expected a host such as example.com, *.example.com or example.com:8443, "
                      "got '%.100s': %s",
                      entry, cause.text);
    }
    strbuf_free(&cause);
    return is_sound;
}

bool http_host_allows(const char *entry, const HttpTarget *target)
{
    Authority authority;
    StrBuf cause = {0};
    const char *host = behind_star(entry);
    const bool is_sound = read_authority(&authority, host, strlen(host), &cause);
    strbuf_free(&cause);
    const int standard = target->is_tls ? HTTPS_PORT : HTTP_PORT;
    const int port = authority.port != 0 ? authority.port : standard;
    if (!is_sound || authority.is_ipv6 != target->is_ipv6 || port != target->port) {
        return false;
    }
    if (host == entry) {
        return str_equal(authority.host, target->host);
    }
    const size_t length = strlen(target->host);
    const size_t suffix = strlen(authority.host);
    return length > suffix + 1 && target->host[length - suffix - 1] == '.' &&
           str_equal(target->host + length - suffix, authority.host);
}

bool http_hosts_allow(char *const *entries, size_t count, const HttpTarget *target)
{
    for (size_t i = 0; i < count; i++) {
        if (http_host_allows(entries[i], target)) {
            return true;
        }
    }
    return count == 0;
}

static bool is_ours(const char *name, size_t length)
{
    static const char *const names[] = {
        "host",         "content-length",  "transfer-encoding", "connection", "expect",
        "content-type", "idempotency-key", "traceparent",       "tracestate", "upgrade",
        "te",           "trailer"};
    static const char prefix[] = "x-ganger-";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == length && strncasecmp(name, names[i], length) == 0) {
            return true;
        }
    }
    return length >= sizeof prefix - 1 && strncasecmp(name, prefix, sizeof prefix - 1) == 0;
}

bool http_header_check(const char *line, StrBuf *why)
{
    static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$%&'*+-.^_`|~";
    const size_t length = strspn(line, token);
    if (length == 0 || line[length] != ':') {
        return refuse(why, "the name of a header has letters, digits and '-' only");
    }
    if (is_ours(line, length)) {
        strbuf_printf(why, "the header %.*s is made by ganger", (int)length, line);
        return false;
    }
    for (const char *at = line + length; *at != '\0'; at++) {
        const unsigned char c = (unsigned char)*at;
        if (c < 0x20 || c == 0x7f) {
            strbuf_printf(why, "the value of header %.*s contains a control character", (int)length,
                          line);
            return false;
        }
    }
    return true;
}
