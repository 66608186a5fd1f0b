// SPDX-License-Identifier: MIT
// Tests of the table and of the progress line.
#include "cli/table.h"

#include "cli/progress.h"
#include "tests/support/unit.h"

static Table *sample(void)
{
    Table *table = table_create();
    table_add_column(table, "id", COLUMN_NUMBER);
    table_add_column(table, "status", COLUMN_STATUS);
    table_add_column(table, "took", COLUMN_DURATION);
    table_add_column(table, "last_error", COLUMN_TEXT);
    static const char *const cells[] = {"7",  "failed",    "1234", "connection refused by the host",
                                        "12", "completed", NULL,   ""};
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        table_add_cell(table, cells[i]);
    }
    return table;
}

static void expect(const Table *table, size_t width, bool has_color, bool has_header,
                   const char *text)
{
    StrBuf out = {0};
    table_render(table, width, has_color, has_header, &out);
    assert_string_equal(out.text, text);
    strbuf_free(&out);
}

static void test_aligned(void **state)
{
    (void)state;
    Table *table = sample();
    assert_int_equal(table_row_count(table), 2);
    expect(table, 0, false, true,
           "ID  STATUS     TOOK  LAST ERROR\n"
           " 7  failed     1.2s  connection refused by the host\n"
           "12  completed     -\n");
    table_destroy(table);
}

static void test_cut_to_width(void **state)
{
    (void)state;
    Table *table = sample();
    expect(table, 33, false, false,
           " 7  failed     1.2s  connection …\n"
           "12  completed     -\n");
    // Text columns keep their least width, whatever the terminal.
    expect(table, 5, false, false,
           " 7  failed     1.2s  conne…\n"
           "12  completed     -\n");
    table_destroy(table);
}

static Table *sample_with_note(const char *note)
{
    Table *table = table_create();
    table_add_column(table, "id", COLUMN_NUMBER);
    table_add_column(table, "node", COLUMN_TEXT);
    table_add_column(table, "cause", COLUMN_NOTE);
    table_add_cell(table, "7");
    table_add_cell(table, "alpha");
    table_add_cell(table, note);
    table_add_cell(table, "8");
    table_add_cell(table, "beta");
    table_add_cell(table, "");
    return table;
}

static void test_note_goes_on(void **state)
{
    (void)state;
    Table *table = sample_with_note("ran past its time limit, stopped by SIGKILL (signal 9)");
    expect(table, 0, false, true,
           "ID  NODE   CAUSE\n"
           " 7  alpha  ran past its time limit, stopped by SIGKILL (signal 9)\n"
           " 8  beta\n");
    expect(table, 45, false, true,
           "ID  NODE   CAUSE\n"
           " 7  alpha  ran past its time limit, stopped\n"
           "           by SIGKILL (signal 9)\n"
           " 8  beta\n");
    table_destroy(table);
}

static void test_note_below_its_row(void **state)
{
    (void)state;
    Table *table = sample_with_note("ran past its time limit, stopped by SIGKILL (signal 9)");
    expect(table, 34, false, true,
           "ID  NODE\n"
           " 7  alpha\n"
           "    ran past its time limit,\n"
           "    stopped by SIGKILL (signal 9)\n"
           " 8  beta\n");
    table_destroy(table);
}

static void test_negative_duration(void **state)
{
    (void)state;
    Table *table = table_create();
    table_add_column(table, "due/took", COLUMN_DURATION);
    table_add_cell(table, "-4001");
    table_add_cell(table, "4001");
    expect(table, 0, false, false, "in 5s\n 4.0s\n");
    table_destroy(table);
}

static void test_colors(void **state)
{
    (void)state;
    Table *table = table_create();
    table_add_column(table, "status", COLUMN_STATUS);
    table_add_column(table, "n", COLUMN_NUMBER);
    table_add_cell(table, "pending (retry)");
    table_add_cell(table, "1");
    table_add_cell(table, "failed");
    table_add_cell(table, "2");
    expect(table, 0, true, false, "pending (retry)  1\n\033[31mfailed\033[0m           2\n");
    table_destroy(table);
}

static void test_hostile_cell(void **state)
{
    (void)state;
    Table *table = table_create();
    table_add_column(table, "x", COLUMN_TEXT);
    table_add_cell(table, "a\nb\033]0;title\007");
    expect(table, 0, true, false, "a b\\x1b]0;title\\x07\n");
    table_destroy(table);
}

static void test_no_columns(void **state)
{
    (void)state;
    Table *table = table_create();
    StrBuf out = {0};
    table_add_cell(table, "lost");
    table_render(table, 0, false, true, &out);
    assert_int_equal(out.length, 0);
    table_destroy(table);
}

static void expect_line(size_t width, int64_t done, int64_t total, const char *text)
{
    StrBuf out = {0};
    progress_line(&out, width, "jobs", 5000, done, total, 2000);
    assert_string_equal(out.text, text);
    strbuf_free(&out);
}

static void test_progress(void **state)
{
    (void)state;
    expect_line(80, 250, 1000,
                "[#######.......................]  25% 5000 jobs, 2500/s, 6.0s left");
    expect_line(80, 1000, 1000, "[##############################] 100% 5000 jobs, 2500/s");
    expect_line(80, 9, 0, "5000 jobs, 2500/s");
    expect_line(60, 250, 1000, "[######..................]  25% 5000 jobs, 2500/s, 6.0s left");
    expect_line(12, 250, 1000, "5000 jobs, …");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aligned),           cmocka_unit_test(test_cut_to_width),
        cmocka_unit_test(test_note_goes_on),      cmocka_unit_test(test_note_below_its_row),
        cmocka_unit_test(test_negative_duration), cmocka_unit_test(test_colors),
        cmocka_unit_test(test_hostile_cell),      cmocka_unit_test(test_no_columns),
        cmocka_unit_test(test_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
