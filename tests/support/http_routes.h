// SPDX-License-Identifier: MIT
// Http routes: targets for tests that ask every route there is.
#ifndef TESTS_SUPPORT_HTTP_ROUTES_H
#define TESTS_SUPPORT_HTTP_ROUTES_H

#include <stdio.h>
#include <string.h>

#include "api/route.h"
#include "common/base/memory.h"

// A target that fits the route: `id` stands in the place of {id}, `name` in that of its other variables.
static inline void route_target(const Route *route, const char *id, const char *name, char *target,
                                size_t size)
{
    StrBuf text = {0};
    for (const char *at = route->pattern; *at != '\0';) {
        if (*at != '{') {
            strbuf_append_bytes(&text, at++, 1);
            continue;
        }
        strbuf_append(&text, strncmp(at, "{id}", 4) == 0 ? id : name);
        at += strcspn(at, "}") + 1;
    }
    (void)snprintf(target, size, "%s", text.text);
    strbuf_free(&text);
}

#endif
