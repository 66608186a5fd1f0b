// SPDX-License-Identifier: MIT
// What of a job's metadata is a trace context.
#include "tests/support/unit.h"

#include <stdio.h>

#include "worker/trace_context.h"

#define TRACE  "0af7651916cd43dd8448eb211c80319c"
#define SPAN   "b7ad6b7169203331"
#define PARENT "00-" TRACE "-" SPAN "-01"

static TraceContext read_of(const char *metadata)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "%s", metadata);
    const Job job = {.metadata = text};
    return trace_context_read(&job);
}

static void test_what_is_well_formed(void **state)
{
    (void)state;
    TraceContext trace = read_of("{\"traceparent\": \"" PARENT
                                 "\", \"m\": {\"a\": 1}, \"tracestate\": \"a=b,c=d\"}");
    assert_string_equal(trace.parent, PARENT);
    assert_string_equal(trace.state, "a=b,c=d");
    trace_context_free(&trace);
    assert_null(trace.parent);
    trace = read_of("{\"traceparent\": \"" PARENT "\", \"tracestate\": \"a\\nb\"}");
    assert_string_equal(trace.parent, PARENT);
    assert_null(trace.state);
    trace_context_free(&trace);
}

static void test_what_is_not(void **state)
{
    static const char *const BAD[] = {
        "{}",
        "[]",
        "null",
        "{\"traceparent\": 5}",
        "{\"traceparent\": \"\"}",
        "{\"traceparent\": \"" PARENT "0\"}",
        "{\"traceparent\": \"00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01\"}",
        "{\"traceparent\": \"00_" TRACE "-" SPAN "-01\"}",
        "{\"traceparent\": \"00-00000000000000000000000000000000-" SPAN "-01\"}",
        "{\"traceparent\": \"00-" TRACE "-0000000000000000-01\"}",
        "{\"tracestate\": \"a=b\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        TraceContext trace = read_of(BAD[i]);
        if (trace.parent != NULL || trace.state != NULL) {
            fail_msg("%s is one", BAD[i]);
        }
        trace_context_free(&trace);
    }
    const Job none = {0};
    TraceContext trace = trace_context_read(&none);
    assert_null(trace.parent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_well_formed),
        cmocka_unit_test(test_what_is_not),
    };
    return cmocka_run_group_tests_name("trace_context", tests, NULL, NULL);
}
