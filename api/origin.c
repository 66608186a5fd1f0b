// SPDX-License-Identifier: MIT
// Origin: see the header.
#include "api/origin.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "common/base/memory.h"

enum { HOST_BYTES = 256 };

// "name:port", "[address]:port" or either without a port, or an IPv6 address alone -> the name or the bare address. False when it is
// too long.
static bool bare_host(const char *authority, char host[HOST_BYTES])
{
    const char *begin = authority[0] == '[' ? authority + 1 : authority;
    size_t length = strcspn(begin, authority[0] == '[' ? "]" : ":");
    if (authority[0] != '[' && strchr(begin, ':') != strrchr(begin, ':')) {
        length = strlen(begin);
    }
    if (length >= HOST_BYTES) {
        return false;
    }
    memcpy(host, begin, length);
    host[length] = '\0';
    return true;
}

static bool is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, host, &four) == 1) {
        return (ntohl(four.s_addr) >> 24) == 127;
    }
    if (inet_pton(AF_INET6, host, &six) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&six);
    }
    return strcasecmp(host, "localhost") == 0;
}

static bool is_listed(const char *host, const StringList *hosts)
{
    for (size_t i = 0; hosts != NULL && i < hosts->count; i++) {
        char ours[HOST_BYTES];
        if (bare_host(hosts->items[i], ours) && strcasecmp(ours, host) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_ours(const char *authority, const StringList *hosts)
{
    char host[HOST_BYTES];
    return bare_host(authority, host) && (is_loopback(host) || is_listed(host, hosts));
}

static bool has_port(const char *authority)
{
    const char *colon = strrchr(authority, ':');
    const char *bracket = strrchr(authority, ']');
    return colon != NULL && (bracket == NULL || colon > bracket);
}

// A name stands for all its ports, as a proxy's is not known here. An address we listen on has its own: behind another port of the same
// machine is somebody else.
static bool is_origin_listed(const char *authority, const StringList *hosts)
{
    char host[HOST_BYTES];
    for (size_t i = 0; hosts != NULL && i < hosts->count; i++) {
        const char *ours = hosts->items[i];
        if (has_port(ours) ? strcasecmp(authority, ours) == 0
                           : bare_host(authority, host) &&
                                 is_listed(host, &(StringList){&hosts->items[i], 1})) {
            return true;
        }
    }
    return false;
}

// An Origin is scheme://authority. It is the page's own when the authority is what the request was sent to, or one that is ours.
static bool is_same_origin(const OriginRequest *request)
{
    const char *authority = strstr(request->origin, "://");
    if (authority == NULL) {
        return false; // "null" too: a page without an origin
    }
    authority += 3;
    if (request->host != NULL && strcasecmp(authority, request->host) == 0) {
        return true;
    }
    return is_origin_listed(authority, request->hosts);
}

const char *origin_problem(const OriginRequest *request)
{
    if (request->is_open && !request->is_unix && request->host != NULL &&
        !is_ours(request->host, request->hosts)) {
        return "Host is not a name of this server: use 127.0.0.1 or localhost, or add the name to "
               "http.hosts";
    }
    if (request->is_read) {
        return NULL;
    }
    if (request->fetch_site != NULL && !str_equal(request->fetch_site, "same-origin") &&
        !str_equal(request->fetch_site, "none")) {
        return "a page of another site may not change anything here (Sec-Fetch-Site)";
    }
    if (request->origin != NULL && !is_same_origin(request)) {
        return "a page of another site may not change anything here (Origin): behind a proxy add "
               "its name to http.hosts";
    }
    return NULL;
}
