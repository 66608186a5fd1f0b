// SPDX-License-Identifier: MIT
// Lane hints: the furthest seq of each lane, a margin behind, for a second.
#include "tests/support/unit.h"

#include "worker/lane_hints.h"

static LaneHints hints;

static int setup(void **state)
{
    (void)state;
    hints = (LaneHints){.count = 0};
    return 0;
}

// The number of the last element, as PostgreSQL reads it.
static int64_t last_of(const DbArray *array)
{
    uint64_t value = 0;
    for (size_t i = array->bytes.length - 8; i < array->bytes.length; i++) {
        value = value << 8 | (unsigned char)array->bytes.text[i];
    }
    return (int64_t)value;
}

static void check_bound(int count, int64_t lane, int64_t seq)
{
    DbArray lanes;
    DbArray seqs;
    lane_hints_bind(&hints, &lanes, &seqs);
    assert_int_equal(lanes.count, count);
    assert_int_equal(seqs.count, count);
    if (count > 0) {
        assert_int_equal(last_of(&lanes), lane);
        assert_int_equal(last_of(&seqs), seq);
    }
    db_array_free(&lanes);
    db_array_free(&seqs);
}

static void test_keeps_the_furthest(void **state)
{
    (void)state;
    check_bound(0, 0, 0);
    lane_hints_note(&hints, -42, 5000);
    lane_hints_note(&hints, -42, 7000);
    lane_hints_note(&hints, -42, 6000); // batches of several lanes are not in order of seq
    check_bound(1, -42, 7000 + 1 - LANE_HINT_MARGIN);
    lane_hints_note(&hints, 9, 10);
    check_bound(2, 9,
                11 - LANE_HINT_MARGIN); // below the frontier: it says nothing, and harms nothing
}

static void test_dies_of_age(void **state)
{
    (void)state;
    lane_hints_expire(&hints, 10000, 0);
    lane_hints_note(&hints, 1, 5000);
    lane_hints_expire(&hints, 10000 + LANE_HINT_LIFE_MS - 1, 0);
    assert_int_equal(hints.count, 1);
    // Also while it is renewed all the time: the frontier has to be visited.
    lane_hints_note(&hints, 1, 6000);
    lane_hints_expire(&hints, 10000 + LANE_HINT_LIFE_MS, 0);
    assert_int_equal(hints.count, 0);
    lane_hints_note(&hints, 1, 7000);
    lane_hints_expire(&hints, 10000 + 2 * LANE_HINT_LIFE_MS - 1, 0);
    assert_int_equal(hints.count, 1);
}

// They live as long as the frontiers are where they were.
static void test_dies_of_a_pass(void **state)
{
    (void)state;
    lane_hints_expire(&hints, 10000, 7);
    lane_hints_note(&hints, 1, 5000);
    lane_hints_note_seen(&hints, "{}", 2);
    lane_hints_expire(&hints, 10001, 7);
    assert_int_equal(hints.count, 1);
    lane_hints_expire(&hints, 10002, 8);
    assert_int_equal(hints.count, 0);
    assert_false(lane_hints_has_seen(&hints));
    lane_hints_note(&hints, 1, 5000);
    lane_hints_expire(&hints, 10002 + LANE_HINT_LIFE_MS - 1, 8); // born anew
    assert_int_equal(hints.count, 1);
}

static void test_a_full_table_keeps_what_it_has(void **state)
{
    (void)state;
    for (int i = 0; i < LANE_HINT_MAX + 10; i++) {
        lane_hints_note(&hints, i, 5000 + i);
    }
    assert_int_equal(hints.count, LANE_HINT_MAX);
    lane_hints_note(&hints, LANE_HINT_MAX - 1, 90000);
    check_bound(LANE_HINT_MAX, LANE_HINT_MAX - 1, 90001 - LANE_HINT_MARGIN);
}

static void test_keeps_what_was_seen(void **state)
{
    (void)state;
    char long_text[LANE_SEEN_MAX + 1];
    memset(long_text, 'x', sizeof long_text);
    lane_hints_expire(&hints, 10000, 0);
    assert_string_equal(lane_hints_seen(&hints), "{}");
    lane_hints_note_seen(&hints, "{\"seq\": 1} and more", 10);
    assert_string_equal(lane_hints_seen(&hints), "{\"seq\": 1}");
    lane_hints_expire(&hints, 10000 + LANE_HINT_LIFE_MS, 0);
    assert_string_equal(lane_hints_seen(&hints), "{}");
    lane_hints_note_seen(&hints, long_text, LANE_SEEN_MAX);
    assert_string_equal(lane_hints_seen(&hints), "{}");
    lane_hints_note_seen(&hints, long_text, LANE_SEEN_MAX - 1);
    assert_int_equal(strlen(lane_hints_seen(&hints)), LANE_SEEN_MAX - 1);
    assert_true(lane_hints_has_seen(&hints));
    lane_hints_note(&hints, 1, 5000);
    lane_hints_drop(&hints);
    assert_false(lane_hints_has_seen(&hints));
    assert_int_equal(hints.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_keeps_the_furthest, setup),
        cmocka_unit_test_setup(test_dies_of_age, setup),
        cmocka_unit_test_setup(test_dies_of_a_pass, setup),
        cmocka_unit_test_setup(test_a_full_table_keeps_what_it_has, setup),
        cmocka_unit_test_setup(test_keeps_what_was_seen, setup),
    };
    return cmocka_run_group_tests_name("lane_hints", tests, NULL, NULL);
}
