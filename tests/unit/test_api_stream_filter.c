// SPDX-License-Identifier: MIT
// Stream filter: what a stream is told, and what a bound token is never told.
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "api/stream_filter.h"
#include "common/base/memory.h"

typedef struct Pair {
    const char *name;
    const char *value;
} Pair;

static const char *query(const void *data, const char *name, size_t index)
{
    for (const Pair *pair = data; pair->name != NULL; pair++) {
        if (str_equal(pair->name, name) && index-- == 0) {
            return pair->value;
        }
    }
    return NULL;
}

static const StreamEvent MAIL = {.id = 7,
                                 .job_id = "12",
                                 .event = "completed",
                                 .job_type = "mail",
                                 .queue = "out",
                                 .batch_id = "b1",
                                 .owner = "alice"};
static const StreamEvent BATCH = {.id = 8, .event = "batch_finished", .batch_id = "b1"};

static bool tells(const Pair *pairs, const StreamEvent *event)
{
    StreamFilter filter;
    const char *field = NULL;
    assert_null(stream_filter_read(&filter, query, pairs, &field));
    bool is_told = stream_filter_matches(&filter, event);
    stream_filter_free(&filter);
    return is_told;
}

static void test_each_parameter(void **state)
{
    (void)state;
    assert_true(tells((Pair[]){{0}}, &MAIL));
    assert_true(tells((Pair[]){{0}}, &BATCH));
    assert_true(tells((Pair[]){{"job", "1,12"}, {0}}, &MAIL));
    assert_true(tells((Pair[]){{"job", "1"}, {"job", "12"}, {0}}, &MAIL));
    assert_false(tells((Pair[]){{"job", "1,2"}, {0}}, &MAIL));
    assert_false(tells((Pair[]){{"job", "12"}, {0}}, &BATCH));
    assert_true(tells((Pair[]){{"queue", "out"}, {"job_type", "mail"}, {0}}, &MAIL));
    assert_false(tells((Pair[]){{"queue", "in"}, {"job_type", "mail"}, {0}}, &MAIL));
    assert_false(tells((Pair[]){{"queue", "out"}, {"job_type", "post"}, {0}}, &MAIL));
    assert_false(
        tells((Pair[]){{"queue", "in,out"}, {0}}, &MAIL)); // a queue's name may have a comma
    assert_true(tells((Pair[]){{"batch", "b1"}, {0}}, &MAIL));
    assert_true(tells((Pair[]){{"batch", "b1"}, {0}}, &BATCH));
    assert_false(tells((Pair[]){{"batch", "b2"}, {0}}, &BATCH));
    assert_true(tells((Pair[]){{"event", "added,completed"}, {0}}, &MAIL));
    assert_false(tells((Pair[]){{"event", "added,failed"}, {0}}, &MAIL));
    assert_true(tells((Pair[]){{"event", ""}, {0}}, &MAIL));
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"x", "0", "-1", "1x", "99999999999999999999", "07"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        StreamFilter filter;
        const char *field = NULL;
        const Pair pairs[] = {{"job", wrong[i]}, {0}};
        assert_non_null(stream_filter_read(&filter, query, pairs, &field));
        assert_string_equal(field, "job");
        stream_filter_free(&filter);
    }
    Pair many[STREAM_FILTER_VALUES_MAX + 2] = {{0}};
    for (size_t i = 0; i <= STREAM_FILTER_VALUES_MAX; i++) {
        many[i] = (Pair){"queue", "q"};
    }
    StreamFilter filter;
    const char *field = NULL;
    assert_non_null(stream_filter_read(&filter, query, many, &field));
    assert_string_equal(field, "queue");
    stream_filter_free(&filter);
}

static bool tells_bound(const char *owner, const char *queues, const StreamEvent *event)
{
    StreamFilter filter = {0};
    stream_filter_bind(&filter, owner, queues);
    bool is_told = stream_filter_matches(&filter, event);
    stream_filter_free(&filter);
    return is_told;
}

static void test_bound_tokens(void **state)
{
    (void)state;
    assert_true(tells_bound("", "", &MAIL));
    assert_true(tells_bound("alice", "", &MAIL));
    assert_false(tells_bound("bob", "", &MAIL));
    assert_false(tells_bound("alice", "", &BATCH)); // nobody's
    assert_true(tells_bound("", "{out}", &MAIL));
    assert_true(tells_bound("", "{in,out}", &MAIL));
    assert_false(tells_bound("", "{in}", &MAIL));
    assert_false(tells_bound("", "{}", &MAIL));
    assert_false(tells_bound("bob", "{out}", &MAIL));
    assert_false(tells_bound("", "{out}", &BATCH));
    StreamEvent odd = MAIL;
    odd.queue = "a \"b\", \\c}";
    assert_true(tells_bound("", "{x,\"a \\\"b\\\", \\\\c}\",y}", &odd));
    odd.queue = "y";
    assert_true(tells_bound("", "{x,\"a \\\"b\\\", \\\\c}\",y}", &odd));
    odd.queue = "c}";
    assert_false(tells_bound("", "{x,\"a \\\"b\\\", \\\\c}\",y}", &odd));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_parameter),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_bound_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
