// SPDX-License-Identifier: MIT
// Tests of key order: by key, equal ones by place, and nothing but that.
#include "worker/key_order.h"

#include "tests/support/unit.h"

static void check(const int64_t *keys, const int *expected, int count, bool is_changed)
{
    KeyAt items[8];
    for (int i = 0; i < count; i++) {
        items[i] = (KeyAt){.key = keys[i], .at = i};
    }
    assert_int_equal(key_order(items, count), is_changed);
    for (int i = 0; i < count; i++) {
        assert_int_equal(items[i].at, expected[i]);
        assert_int_equal(items[i].key, keys[expected[i]]);
    }
}

static void test_keys_decide(void **state)
{
    (void)state;
    check((const int64_t[]){30, -10, INT64_MAX, INT64_MIN, 20}, (const int[]){3, 1, 4, 0, 2}, 5,
          true);
}

static void test_equal_keys_stay_in_place(void **state)
{
    (void)state;
    check((const int64_t[]){2, 1, 2, 1, 2, 1}, (const int[]){1, 3, 5, 0, 2, 4}, 6, true);
}

static void test_what_is_in_order_stays(void **state)
{
    (void)state;
    check((const int64_t[]){1, 2, 2, 5}, (const int[]){0, 1, 2, 3}, 4, false);
    check((const int64_t[]){7}, (const int[]){0}, 1, false);
    assert_false(key_order(NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_decide),
        cmocka_unit_test(test_equal_keys_stay_in_place),
        cmocka_unit_test(test_what_is_in_order_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
