// SPDX-License-Identifier: MIT
// Listen address: see listen_address.h.
#include "common/base/listen_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { PORT_MAX = 65535, PORT_DIGITS = 5 };

static const char UNIX_PREFIX[] = "unix:";
static const char FORMS[] = "expected 127.0.0.1:8080, [::1]:8080 or unix:/run/ganger/api.sock";

static bool parse_unix(ListenAddress *out, const char *path, StrBuf *why);
static bool parse_inet(ListenAddress *out, const char *text, StrBuf *why);
static bool parse_inet6(ListenAddress *out, const char *text, StrBuf *why);
static bool parse_port(const char *text, in_port_t *port, StrBuf *why);

bool listen_address_parse(ListenAddress *out, const char *text, StrBuf *why)
{
    *out = (ListenAddress){.length = 0};
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            strbuf_append(why, "contains a control character");
            return false;
        }
    }
    if (strncmp(text, UNIX_PREFIX, sizeof UNIX_PREFIX - 1) == 0) {
        return parse_unix(out, text + sizeof UNIX_PREFIX - 1, why);
    }
    return text[0] == '[' ? parse_inet6(out, text, why) : parse_inet(out, text, why);
}

static bool parse_unix(ListenAddress *out, const char *path, StrBuf *why)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);

    if (path[0] != '/') {
        strbuf_append(why, "the path behind unix: must begin with /");
        return false;
    }
    if (path[length - 1] == '/') {
        strbuf_append(why, "the path behind unix: is a folder; it must name a file");
        return false;
    }
    if (length >= sizeof address.sun_path) {
        strbuf_printf(why, "the path of a unix socket has at most %zu bytes, and this one %zu",
                      sizeof address.sun_path - 1, length);
        return false;
    }
    memcpy(address.sun_path, path, length);
    memcpy(&out->socket, &address, sizeof address);
    out->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return true;
}

static bool parse_inet(ListenAddress *out, const char *text, StrBuf *why)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN];
    const char *colon = strchr(text, ':');

    if (colon != NULL && strchr(colon + 1, ':') != NULL) {
        strbuf_append(why, "an IPv6 address stands in brackets, such as [::1]:8080");
        return false;
    }
    if (colon == NULL) {
        strbuf_printf(why, "the port is missing; %s", FORMS);
        return false;
    }
    size_t length = (size_t)(colon - text);
    if (length >= sizeof host) {
        strbuf_append(why, FORMS);
        return false;
    }
    memcpy(host, text, length);
    host[length] = '\0';
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        strbuf_printf(why, "%s; names are not looked up, and every address is 0.0.0.0 or [::]",
                      FORMS);
        return false;
    }
    if (!parse_port(colon + 1, &address.sin_port, why)) {
        return false;
    }
    memcpy(&out->socket, &address, sizeof address);
    out->length = sizeof address;
    return true;
}

static bool parse_inet6(ListenAddress *out, const char *text, StrBuf *why)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    char host[INET6_ADDRSTRLEN];
    const char *end = strchr(text, ']');
    size_t length = end != NULL ? (size_t)(end - text - 1) : sizeof host;

    if (length >= sizeof host) {
        strbuf_append(why, FORMS);
        return false;
    }
    memcpy(host, text + 1, length);
    host[length] = '\0';
    if (inet_pton(AF_INET6, host, &address.sin6_addr) != 1) {
        strbuf_printf(why, "there is no IPv6 address in the brackets; %s", FORMS);
        return false;
    }
    if (IN6_IS_ADDR_V4MAPPED(&address.sin6_addr)) {
        strbuf_append(why, "write an IPv4 address without the ::ffff: before it");
        return false;
    }
    if (end[1] != ':') {
        strbuf_printf(why, "the port is missing; %s", FORMS);
        return false;
    }
    if (!parse_port(end + 2, &address.sin6_port, why)) {
        return false;
    }
    memcpy(&out->socket, &address, sizeof address);
    out->length = sizeof address;
    return true;
}

static bool parse_port(const char *text, in_port_t *port, StrBuf *why)
{
    int number = 0;
    size_t digits = strspn(text, "0123456789");

    for (size_t i = 0; i < digits && i < PORT_DIGITS; i++) {
        number = number * 10 + (text[i] - '0');
    }
    if (digits == 0 || digits > PORT_DIGITS || text[digits] != '\0' || text[0] == '0' ||
        number > PORT_MAX) {
        strbuf_printf(why, "the port must be a number from 1 to %d", PORT_MAX);
        return false;
    }
    *port = htons((in_port_t)number);
    return true;
}

static struct sockaddr_in inet_of(const ListenAddress *address)
{
    struct sockaddr_in inet;
    memcpy(&inet, &address->socket, sizeof inet);
    return inet;
}

static struct sockaddr_in6 inet6_of(const ListenAddress *address)
{
    struct sockaddr_in6 inet6;
    memcpy(&inet6, &address->socket, sizeof inet6);
    return inet6;
}

bool listen_address_is_local(const ListenAddress *address)
{
    if (address->socket.ss_family == AF_INET) {
        return ntohl(inet_of(address).sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (address->socket.ss_family == AF_INET6) {
        const struct sockaddr_in6 inet6 = inet6_of(address);
        return IN6_IS_ADDR_LOOPBACK(&inet6.sin6_addr);
    }
    return address->socket.ss_family == AF_UNIX;
}

const char *listen_address_path(const ListenAddress *address)
{
    if (address->socket.ss_family != AF_UNIX) {
        return NULL;
    }
    return (const char *)&address->socket + offsetof(struct sockaddr_un, sun_path);
}

int listen_address_port(const ListenAddress *address)
{
    if (address->socket.ss_family == AF_INET) {
        return ntohs(inet_of(address).sin_port);
    }
    return address->socket.ss_family == AF_INET6 ? ntohs(inet6_of(address).sin6_port) : 0;
}

bool listen_address_equal(const ListenAddress *a, const ListenAddress *b)
{
    return a->length == b->length && memcmp(&a->socket, &b->socket, a->length) == 0;
}

void listen_address_format(const ListenAddress *address, StrBuf *out)
{
    char host[INET6_ADDRSTRLEN] = "";

    if (address->socket.ss_family == AF_INET) {
        const struct sockaddr_in inet = inet_of(address);
        (void)inet_ntop(AF_INET, &inet.sin_addr, host, sizeof host);
        strbuf_printf(out, "%s:%d", host, listen_address_port(address));
    } else if (address->socket.ss_family == AF_INET6) {
        const struct sockaddr_in6 inet6 = inet6_of(address);
        (void)inet_ntop(AF_INET6, &inet6.sin6_addr, host, sizeof host);
        strbuf_printf(out, "[%s]:%d", host, listen_address_port(address));
    } else {
        strbuf_printf(out, "%s%s", UNIX_PREFIX, listen_address_path(address));
    }
}
