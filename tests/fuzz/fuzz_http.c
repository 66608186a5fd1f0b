// SPDX-License-Identifier: MIT
// Requests of strangers: method, target, version and headers, one a line, before anything is known about who sent them.
#include "api/answer.h"
#include "api/guard.h"
#include "api/origin.h"
#include "api/router.h"
#include "tests/fuzz/fuzz.h"

enum { HEADERS_MAX = GUARD_HEADER_COUNT_MAX + 2 };

// Cuts the next line off.
static char *next_line(char **rest)
{
    char *line = *rest;
    size_t length = strcspn(line, "\n");
    *rest = line + length + (line[length] == '\n' ? 1 : 0);
    line[length] = '\0';
    return line;
}

static GuardHeader read_header(char *line)
{
    char *colon = strchr(line, ':');
    char *value = colon == NULL ? line + strlen(line) : colon + 1 + strspn(colon + 1, " ");
    return (GuardHeader){line, colon == NULL ? strlen(line) : (size_t)(colon - line), value,
                         strlen(value)};
}

static const char *value_of(const GuardRequest *request, size_t at)
{
    return at < request->header_count ? request->headers[at].value : NULL;
}

static void check_target(const GuardRequest *request)
{
    size_t count = 0;
    const Route *routes = route_table(&count);
    Target target;
    RouterMatch match;
    const char *why = NULL;
    if (!target_parse(&target, request->target, &why)) {
        FUZZ_CHECK(why != NULL && target.text == NULL);
        return;
    }
    for (size_t i = 0; i < target.segment_count; i++) {
        FUZZ_CHECK(target.segments[i][0] != '\0' && !str_equal(target.segments[i], ".."));
    }
    RouterOutcome outcome = router_find(routes, count, request->method, &target, &match);
    FUZZ_CHECK((outcome == ROUTER_FOUND) == (match.route != NULL));
    FUZZ_CHECK((outcome == ROUTER_METHOD) == (match.route == NULL && match.allow[0] != '\0'));
    target_free(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char *rest = text;
    GuardHeader headers[HEADERS_MAX];
    GuardRequest request = {.headers = headers};
    request.method = next_line(&rest);
    request.target = next_line(&rest);
    request.version = next_line(&rest);
    while (*rest != '\0' && request.header_count < HEADERS_MAX) {
        headers[request.header_count++] = read_header(next_line(&rest));
    }
    GuardBody body;
    const char *why = NULL;
    GuardVerdict verdict = guard_check(&request, &body, &why);
    FUZZ_CHECK((verdict == GUARD_OK) == (why == NULL));
    FUZZ_CHECK(verdict != GUARD_OK || !(body.has_length && body.is_chunked));
    FUZZ_CHECK(verdict != GUARD_OK || body.length >= 0);
    check_target(&request);
    const OriginRequest origin = {
        .is_open = true,
        .host = value_of(&request, 0),
        .origin = value_of(&request, 1),
        .fetch_site = value_of(&request, 2),
    };
    (void)origin_problem(&origin);
    if (request.header_count > 1 && value_of(&request, 1)[0] != '\0') {
        FUZZ_CHECK(answer_is_known("*", value_of(&request, 1)));
        (void)answer_is_known(value_of(&request, 0), value_of(&request, 1));
    }
    free(text);
    return 0;
}
