// SPDX-License-Identifier: MIT
// Tests of the live view: keys, rooms, what is drawn, and that it fits.
#include "cli/terminal.h"
#include "cli/text.h"
#include "cli/top_view.h"
#include "tests/support/unit.h"

static TopQueue queues[] = {
    {"mail", false, 5, 6, 1, 0, 2000},
    {"images", true, 90, 90, 0, 2, 900},
    {"reports", false, 0, 3, 0, 0, TOP_UNKNOWN},
};
static TopWorker workers[] = {
    {"b", false, 20000, TOP_UNKNOWN, "", 0, "", TOP_UNKNOWN, "", TOP_UNKNOWN, TOP_UNKNOWN,
     TOP_UNKNOWN},
    {"a", true, 500, 7, "default", 100, "busy", 12, "send_mail", 1500, 42, 9600000},
    {"a", true, 500, 8, "slow", 101, "busy", 13, "resize", 61000, 97, 200000000},
    {"a", true, 500, 9, "slow", 102, "idle", TOP_UNKNOWN, "", TOP_UNKNOWN, TOP_UNKNOWN,
     TOP_UNKNOWN},
};
static TopFailure failures[] = {
    {3, 1, 5000, 44, "send_mail", "connect to * failed\033[31m"},
    {2, 2, 1000, 45, "resize,crop", "no such file"},
};

static TopData sample(void)
{
    TopData data = {
        .counts = {.at = "12:00:00Z",
                   .is_exact = true,
                   .runnable = 95,
                   .retry = 3,
                   .oldest_wait_ms = 2000,
                   .processing = 2,
                   .completed = 1234567,
                   .hour_completed = 321,
                   .nodes = 2,
                   .workers = 3,
                   .busy = 2},
        .queues = queues,
        .queue_count = sizeof queues / sizeof queues[0],
        .workers = workers,
        .worker_count = sizeof workers / sizeof workers[0],
        .failures = failures,
        .failure_count = sizeof failures / sizeof failures[0],
        .seconds = 60,
    };
    for (size_t i = 0; i < data.seconds; i++) {
        data.completed[i] = (int64_t)i;
    }
    return data;
}

static void render(TopState *state, size_t width, size_t height, StrBuf *out)
{
    TopData data = sample();
    strbuf_clear(out);
    top_view_sort(state, &data);
    top_view_render(state, &data, "the database", NULL, width, height, false, out);
}

static size_t place_of(const StrBuf *text, const char *part)
{
    const char *found = strstr(text->text, part);
    if (!found) {
        fail_msg("'%s' is not in:\n%s", part, text->text);
    }
    return (size_t)(found - text->text);
}

static void test_fits(void **state)
{
    (void)state;
    StrBuf out = {0};
    for (size_t width = 1; width <= 150; width += 29) {
        for (size_t height = 1; height <= 40; height += height < 12 ? 1 : 9) {
            for (int pane = 0; pane < PANE_COUNT * 3; pane++) {
                TopState top = {.pane = (TopPane)(pane % PANE_COUNT),
                                .is_alone = pane >= PANE_COUNT,
                                .is_help = pane >= PANE_COUNT * 2,
                                .interval_ms = 1000};
                size_t lines = 1;
                render(&top, width, height, &out);
                for (char *line = out.text; line; lines++) {
                    char *end = strchr(line, '\n');
                    if (end) {
                        *end = '\0';
                    }
                    assert_true(text_width(line) <= width);
                    line = end ? end + 1 : NULL;
                }
                assert_true(lines - 1 <= height);
            }
        }
    }
    strbuf_free(&out);
}

static void test_shows(void **state)
{
    (void)state;
    StrBuf out = {0};
    TopState top = {.interval_ms = 1000};
    render(&top, 120, 40, &out);
    (void)place_of(&out, "ganger top  12:00:00Z  every 1.0s  the database");
    (void)place_of(&out, "completed 57.0/s  failed 0.0/s");
    (void)place_of(&out, "█  in an hour: completed 321");
    (void)place_of(&out, "runnable 95 (oldest 2.0s)  retry 3\n");
    (void)place_of(&out, "busy 2 of 3 workers");
    (void)place_of(&out, "> Queues (3)");
    (void)place_of(&out, "images   paused        90       90           0        2   900ms");
    (void)place_of(&out, "  active  "); // as `ganger queues` says
    (void)place_of(&out, "  7     default  100  busy    12  send_mail      1.5s  42%    9.6M");
    (void)place_of(&out, "seen 20s ago");
    assert_null(strchr(out.text, '\033')); // nobody's message reaches the terminal as it is
    // those of one node stand below it
    assert_true(place_of(&out, "\na ") < place_of(&out, "  9 "));
    assert_true(place_of(&out, "  9 ") < place_of(&out, "\nb "));
    strbuf_free(&out);
}

static void test_sorts_and_filters(void **state)
{
    (void)state;
    StrBuf out = {0};
    TopState top = {.interval_ms = 1000};
    render(&top, 120, 40, &out);
    assert_true(place_of(&out, "\nimages") < place_of(&out, "\nmail"));
    top_view_press(&top, 's');
    render(&top, 120, 40, &out);
    assert_true(place_of(&out, "\nmail") < place_of(&out, "\nreports"));
    top_view_press(&top, 's');
    render(&top, 120, 40, &out);
    assert_true(place_of(&out, "\nmail") < place_of(&out, "\nimages"));
    top_view_press(&top, '2');
    top_view_press(&top, 's');
    render(&top, 120, 40, &out);
    assert_true(place_of(&out, "  8 ") < place_of(&out, "  7 "));
    top_view_press(&top, KEY_TAB);
    top_view_press(&top, 's');
    render(&top, 120, 40, &out);
    assert_true(place_of(&out, "no such file") < place_of(&out, "connect to"));
    for (const char *c = "/resq"; *c != '\0'; c++) { // q is a letter then
        top_view_press(&top, *c);
    }
    top_view_press(&top, KEY_BACKSPACE);
    render(&top, 120, 40, &out);
    (void)place_of(&out, "filter: res_");
    assert_null(strstr(out.text, "connect to"));
    (void)place_of(&out, "resize,crop");
    (void)place_of(&out, "Queues (0)");
    (void)place_of(&out, "Nodes and workers (2)");
    top_view_press(&top, KEY_ENTER);
    assert_false(top.is_typing);
    top_view_press(&top, KEY_ESCAPE);
    assert_string_equal(top.filter, "");
    assert_false(top.is_over);
    top_view_press(&top, 'q');
    assert_true(top.is_over);
    strbuf_free(&out);
}

static void test_scrolls(void **state)
{
    (void)state;
    StrBuf out = {0};
    TopState top = {.pane = PANE_WORKERS, .is_alone = true, .interval_ms = 1000};
    top_view_press(&top, KEY_END);
    render(&top, 100, 10, &out); // five lines above, one below, two of the pane
    assert_int_equal(top.scroll[PANE_WORKERS], 3);
    assert_null(strstr(out.text, "  7 "));
    (void)place_of(&out, "  9 ");
    top_view_press(&top, KEY_UP);
    top_view_press(&top, KEY_PAGE_UP);
    assert_int_equal(top.scroll[PANE_WORKERS], 0);
    strbuf_free(&out);
}

static void test_shares(void **state)
{
    (void)state;
    size_t shares[PANE_COUNT];
    const size_t wanted[PANE_COUNT] = {10, 50, 4};
    top_view_share(100, wanted, PANE_WORKERS, shares);
    assert_int_equal(shares[0] + shares[1] + shares[2], 64);
    top_view_share(20, wanted, PANE_WORKERS, shares);
    assert_int_equal(shares[0], 3);
    assert_int_equal(shares[1], 14);
    assert_int_equal(shares[2], 3);
    top_view_share(20, wanted, PANE_FAILURES, shares);
    assert_int_equal(shares[0], 10);
    assert_int_equal(shares[1], 6);
    assert_int_equal(shares[2], 4);
    top_view_share(0, wanted, PANE_QUEUES, shares);
    assert_int_equal(shares[0] + shares[1] + shares[2], 0);
}

static void test_spark(void **state)
{
    (void)state;
    static const int64_t values[] = {100, 0, 1, 4, 8};
    StrBuf out = {0};
    top_view_spark(&out, values, 5, 4);
    assert_string_equal(out.text, " ▁▄█");
    strbuf_clear(&out);
    top_view_spark(&out, values, 1, 4);
    assert_string_equal(out.text, "█");
    strbuf_free(&out);
}

static void test_keys(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t used;
        int key;
    } keys[] = {
        {"q", 1, 'q'},
        {"\033[A", 3, KEY_UP},
        {"\033OBx", 3, KEY_DOWN},
        {"\033[6~q", 4, KEY_PAGE_DOWN},
        {"\033", 1, KEY_ESCAPE},
        {"\033q", 1, KEY_ESCAPE},
        {"\033[1;5Aq", 6, KEY_NONE},
        {"\033[12", 4, KEY_NONE},
        {"\r", 1, KEY_ENTER},
        {"\n", 1, KEY_ENTER},
        {"\t", 1, KEY_TAB},
        {"\b", 1, KEY_BACKSPACE},
        {"\303\274", 1, 0xc3},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        int key = -1;
        assert_int_equal(terminal_parse_key(keys[i].bytes, strlen(keys[i].bytes), &key),
                         keys[i].used);
        assert_int_equal(key, keys[i].key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_shows),
        cmocka_unit_test(test_sorts_and_filters),
        cmocka_unit_test(test_scrolls),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_spark),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
