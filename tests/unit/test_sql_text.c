// SPDX-License-Identifier: MIT
// Lines of positions and statements in SQL scripts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/db/sql_text.h"

static void test_line_of_position_counts_characters(void **state)
{
    (void)state;
    assert_int_equal(sql_text_line_of("a\nb\nc", 1), 1);
    assert_int_equal(sql_text_line_of("a\nb\nc", 3), 2);
    assert_int_equal(sql_text_line_of("a\nb\nc", 5), 3);
    assert_int_equal(sql_text_line_of("a\nb\nc", 99), 3);
    assert_int_equal(sql_text_line_of("\xc3\xa4\xc3\xb6\nb", 2), 1);
    assert_int_equal(sql_text_line_of("\xc3\xa4\xc3\xb6\nb", 4), 2);
}

static void test_statements_are_found(void **state)
{
    (void)state;
    const char *text = "-- head; not a statement\n"
                       "select 1;\n"
                       "/* ; /* nested ; */ ; */ select ';'';', \"a;b\", E'\\';';\n"
                       "create rule r as on insert to t do (delete from a; delete from b);\n"
                       "do $x$ begin; $y$ ; $$ end $x$;\n"
                       ";\n"
                       "select $1, a$b$c;\n"
                       "select 3";
    const int lines[] = {2, 3, 4, 5, 7, 8};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(sql_text_statement_line(text, i), lines[i]);
    }
    assert_int_equal(sql_text_statement_line(text, 6), 0);
}

static void test_unfinished_text_ends(void **state)
{
    (void)state;
    const char *const texts[] = {"",         "'open", "\"open", "/* open", "$x$ open", "$x",
                                 "E'open\\", "-- c",  "(;",     "$",       ")));",     "e'"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(sql_text_statement_line(texts[i], 5), 0);
        assert_int_equal(sql_text_line_of(texts[i], 100), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_of_position_counts_characters),
        cmocka_unit_test(test_statements_are_found),
        cmocka_unit_test(test_unfinished_text_ends),
    };
    return cmocka_run_group_tests_name("sql_text", tests, NULL, NULL);
}
