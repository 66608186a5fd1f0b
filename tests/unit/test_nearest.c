// SPDX-License-Identifier: MIT
// Tests of nearest: distances, and when a suggestion is made at all.
#include "common/base/nearest.h"

#include <string.h>

#include "tests/support/unit.h"

static void test_nearest_distances(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        int distance;
    } cases[] = {
        {"", "", 0},
        {"a", "", 1},
        {"", "abc", 3},
        {"queue", "queue", 0},
        {"queu", "queue", 1},
        {"quueue", "queue", 1},
        {"quoue", "queue", 1},
        {"qeuue", "queue", 1},
        {"ab", "ba", 1},
        {"ca", "abc", 3},
        {"kitten", "sitting", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(nearest_distance(cases[i].a, cases[i].b), cases[i].distance);
        assert_int_equal(nearest_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
}

static void test_nearest_long_texts(void **state)
{
    (void)state;
    char longest[NEAREST_TEXT_MAX + 1];
    char too_long[NEAREST_TEXT_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    assert_int_equal(nearest_distance(longest, longest), 0);
    assert_int_equal(nearest_distance(longest, ""), NEAREST_TEXT_MAX);
    assert_int_equal(nearest_distance(too_long, longest), NEAREST_FAR);
    assert_int_equal(nearest_distance("", too_long), NEAREST_FAR);
    const char *const names[] = {too_long};
    assert_null(nearest_name(too_long, names, 1));
}

static void test_nearest_names(void **state)
{
    (void)state;
    static const char *const names[] = {"heartbeat", "self_fence", "lease", "name", "cpu", "files"};
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        {"haertbeat", "heartbeat"},
        {"hearbeats", "heartbeat"},
        {"selffence", "self_fence"},
        {"leese", "lease"},
        {"nme", "name"},
        {"cup", "cpu"},
        {"file", "files"},
        {"colour", NULL},
        {"x", NULL},
        {"", NULL},
        {"gpu", "cpu"},
        {"memory", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *near = nearest_name(cases[i].text, names, sizeof names / sizeof names[0]);
        if (cases[i].expected == NULL) {
            assert_null(near);
        } else {
            assert_non_null(near);
            assert_string_equal(near, cases[i].expected);
        }
    }
}

static void test_nearest_first_of_equals(void **state)
{
    (void)state;
    static const char *const names[] = {"abcx", "abcy"};
    assert_string_equal(nearest_name("abcz", names, 2), "abcx");
    assert_null(nearest_name("abcz", names, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_distances),
        cmocka_unit_test(test_nearest_long_texts),
        cmocka_unit_test(test_nearest_names),
        cmocka_unit_test(test_nearest_first_of_equals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
