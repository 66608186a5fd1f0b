// SPDX-License-Identifier: MIT
// fresh_db: a fresh test database for scripts. Prints its conninfo; `fresh_db drop NAME` removes it.
#include <stdio.h>

#include "common/base/log.h"
#include "tests/support/test_db.h"

int main(int argc, char **argv)
{
    log_init("fresh_db", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    TestDb db = {0};
    if (argc == 2 && (str_equal(argv[1], "create") || str_equal(argv[1], "empty"))) {
        if (str_equal(argv[1], "create")) {
            test_db_create(&db);
        } else {
            test_db_create_empty(&db);
        }
        printf("%s\n", db.url);
        return 0;
    }
    // The name, or the whole conninfo as it was printed.
    if (argc == 3 && str_equal(argv[1], "drop")) {
        const char *name = strstr(argv[2], "dbname=");
        if (!str_copy(db.name, sizeof db.name, name == NULL ? argv[2] : name + strlen("dbname="))) {
            return 1;
        }
        test_db_drop(&db);
        return 0;
    }
    fprintf(stderr, "usage: fresh_db create | empty | drop NAME\n");
    return 64;
}
