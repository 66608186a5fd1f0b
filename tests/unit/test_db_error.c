// SPDX-License-Identifier: MIT
// What a SQLSTATE means to a caller.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/db/db_error.h"

typedef struct Example {
    const char *sqlstate;
    Status wanted;
} Example;

static void test_classes(void **state)
{
    (void)state;
    static const Example examples[] = {
        {"08006", STATUS_LOST},    {"57P01", STATUS_LOST},    {"57P03", STATUS_LOST},
        {"57P05", STATUS_LOST},    {"25006", STATUS_LOST},    {"25P03", STATUS_LOST},
        {"40001", STATUS_RETRY},   {"40P01", STATUS_RETRY},   {"55P03", STATUS_RETRY},
        {"53300", STATUS_RETRY},   {"57014", STATUS_RETRY},   {"26000", STATUS_RETRY},
        {"XX000", STATUS_RETRY},   {"22023", STATUS_REFUSED}, {"23505", STATUS_REFUSED},
        {"42501", STATUS_REFUSED}, {"42704", STATUS_REFUSED}, {"0A000", STATUS_REFUSED},
        {"P0001", STATUS_REFUSED}, {"25P02", STATUS_REFUSED}, {"42P01", STATUS_FATAL},
        {"42883", STATUS_FATAL},   {"3F000", STATUS_FATAL},   {"", STATUS_LOST},
        {NULL, STATUS_LOST},
    };
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        assert_int_equal(db_error_status(examples[i].sqlstate), examples[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_classes)};
    return cmocka_run_group_tests_name("db_error", tests, NULL, NULL);
}
