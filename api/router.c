// SPDX-License-Identifier: MIT
// Router: see the header.
#include "api/router.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

typedef enum Fit { FIT_NO, FIT_BUT_FOR_ID, FIT_YES } Fit;

// 1 .. 9223372036854775807, as people write it.
static bool is_id(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > 19 || text[0] == '0' || strspn(text, "0123456789") != length) {
        return false;
    }
    return length < 19 || strcmp(text, "9223372036854775807") <= 0;
}

// One segment of a pattern. A {name} is noted.
static Fit fit_segment(const char *pattern, size_t length, const char *segment, RouterMatch *match)
{
    if (pattern[0] != '{') {
        bool is_same = strncmp(pattern, segment, length) == 0 && segment[length] == '\0';
        return is_same ? FIT_YES : FIT_NO;
    }
    RouterVariable *variable = &match->variables[match->variable_count];
    if (match->variable_count == ROUTER_VARIABLE_MAX || length - 2 >= sizeof variable->name) {
        return FIT_NO;
    }
    memcpy(variable->name, pattern + 1, length - 2);
    variable->name[length - 2] = '\0';
    variable->value = segment;
    match->variable_count++;
    return str_equal(variable->name, "id") && !is_id(segment) ? FIT_BUT_FOR_ID : FIT_YES;
}

static Fit fit_pattern(const char *pattern, const Target *target, RouterMatch *match)
{
    Fit fit = FIT_YES;
    const char *at = pattern + 1;
    match->variable_count = 0;
    for (size_t i = 0; i < target->segment_count; i++) {
        size_t length = strcspn(at, "/");
        if (length == 0) {
            return FIT_NO;
        }
        Fit one = fit_segment(at, length, target->segments[i], match);
        if (one == FIT_NO) {
            return FIT_NO;
        }
        fit = one < fit ? one : fit;
        at += length + (at[length] == '/' ? 1 : 0);
    }
    return *at == '\0' ? fit : FIT_NO;
}

static void allow(RouterMatch *match, const char *method)
{
    size_t length = strlen(match->allow);
    size_t more = strlen(method);
    if (strstr(match->allow, method) != NULL || length + more + 3 > sizeof match->allow) {
        return;
    }
    if (length > 0) {
        memcpy(match->allow + length, ", ", 2);
        length += 2;
    }
    memcpy(match->allow + length, method, more + 1);
}

RouterOutcome router_find(const Route *routes, size_t count, const char *method,
                          const Target *target, RouterMatch *match)
{
    const char *wanted = str_equal(method, "HEAD") ? "GET" : method;
    bool is_bad_id = false;
    *match = (RouterMatch){0};
    RouterMatch one = {0};
    for (size_t i = 0; i < count; i++) {
        Fit fit = fit_pattern(routes[i].pattern, target, &one);
        is_bad_id = is_bad_id || fit == FIT_BUT_FOR_ID;
        if (fit != FIT_YES) {
            continue;
        }
        if (!str_equal(routes[i].method, wanted)) {
            allow(match, routes[i].method);
            continue;
        }
        if (match->route == NULL || one.variable_count < match->variable_count) {
            memcpy(match->variables, one.variables, sizeof one.variables);
            match->variable_count = one.variable_count;
            match->route = &routes[i];
        }
    }
    if (match->route != NULL) {
        return ROUTER_FOUND;
    }
    if (match->allow[0] != '\0') {
        if (strstr(match->allow, "GET") != NULL) {
            allow(match, "HEAD");
        }
        return ROUTER_METHOD;
    }
    return is_bad_id ? ROUTER_BAD_ID : ROUTER_NONE;
}
