// SPDX-License-Identifier: MIT
// HttpTarget: where a webhook goes: a URL, read strictly, and the list of hosts it may go to. Pure.
#ifndef COMMON_BASE_HTTP_TARGET_H
#define COMMON_BASE_HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/memory.h"

enum {
    HTTP_TARGET_URL_MAX_BYTES = 2048,
    HTTP_TARGET_HOST_BYTES = 254 // a name has 253 at most
};

typedef struct HttpTarget {
    bool is_tls;
    bool is_ipv6;                             // then `host` is the address without its brackets
    char host[HTTP_TARGET_HOST_BYTES];        // lower case; an address in the one form it has
    int port;                                 // the scheme's, when the URL has none
    char path[HTTP_TARGET_URL_MAX_BYTES + 2]; // with the query
} HttpTarget;

// False: *why says what is wrong with it, without showing the URL, which may hold a secret. Refused is whatever two readers could
// understand in two ways: user names, fragments, backslashes, addresses that are not written plainly, host names that look like one.
bool http_target_parse(HttpTarget *out, const char *url, StrBuf *why);
// The URL again, from its parts.
void http_target_format(const HttpTarget *target, StrBuf *out);

// One entry of a list of allowed hosts: "example.com", "example.com:8443", "*.example.com" (whatever stands before it, but not
// example.com itself), "[2001:db8::1]:8443". Without a port: the scheme's. False: *why says what is wrong with it.
bool http_host_check(const char *entry, StrBuf *why);
// Does the entry, which is sound, allow the target?
bool http_host_allows(const char *entry, const HttpTarget *target);
// Does any? An empty list allows all: a handler that has none sends to no URL but that of the configuration.
bool http_hosts_allow(char *const *entries, size_t count, const HttpTarget *target);

// Is `line` a header "Name: value" that a configuration may set? Those that the client makes itself are not. False: *why says so.
bool http_header_check(const char *line, StrBuf *why);

#endif
