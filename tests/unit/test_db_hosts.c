// SPDX-License-Identifier: MIT
// Tests of db_hosts: what a connection string with several hosts is taken apart into.
#include "common/db/db_hosts.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/unit.h"

static void assert_text(const char *got, const char *wanted)
{
    if (wanted == NULL) {
        assert_null(got);
    } else {
        assert_non_null(got);
        assert_string_equal(got, wanted);
    }
}

static void assert_hosts(const char *url, int count, const DbHost *wanted)
{
    DbHosts hosts;
    db_hosts_read(&hosts, url);
    assert_int_equal(hosts.count, count);
    for (int i = 0; i < count; i++) {
        assert_text(hosts.items[i].host, wanted[i].host);
        assert_text(hosts.items[i].hostaddr, wanted[i].hostaddr);
        assert_text(hosts.items[i].port, wanted[i].port);
    }
    db_hosts_free(&hosts);
    assert_int_equal(hosts.count, 0);
}

static char A[] = "a";
static char B[] = "b";
static char FOLDER[] = "/run/pg";
static char ADDRESS1[] = "10.0.0.1";
static char ADDRESS2[] = "10.0.0.2";
static char PORT1[] = "5433";
static char PORT2[] = "5434";
static char PORT_USUAL[] = "5432";

static void test_two_hosts(void **state)
{
    (void)state;
    assert_hosts("host=a,b dbname=x", 2, (DbHost[]){{.host = A}, {.host = B}});
    assert_hosts("host=a,b port=5433", 2,
                 (DbHost[]){{.host = A, .port = PORT1}, {.host = B, .port = PORT1}});
    assert_hosts("host=a,b port=5433,5434", 2,
                 (DbHost[]){{.host = A, .port = PORT1}, {.host = B, .port = PORT2}});
    assert_hosts("host=a,b port=5433,", 2,
                 (DbHost[]){{.host = A, .port = PORT1}, {.host = B, .port = PORT_USUAL}});
    assert_hosts("postgresql://u:p@a:5433,b:5434/x?target_session_attrs=any", 2,
                 (DbHost[]){{.host = A, .port = PORT1}, {.host = B, .port = PORT2}});
    assert_hosts("postgresql://%2Frun%2Fpg,b/x", 2,
                 (DbHost[]){{.host = FOLDER, .port = PORT_USUAL}, {.host = B, .port = PORT_USUAL}});
    assert_hosts("hostaddr=10.0.0.1,10.0.0.2", 2,
                 (DbHost[]){{.hostaddr = ADDRESS1}, {.hostaddr = ADDRESS2}});
    assert_hosts("hostaddr=10.0.0.1,10.0.0.2 host=a,b", 2,
                 (DbHost[]){{.host = A, .hostaddr = ADDRESS1}, {.host = B, .hostaddr = ADDRESS2}});
}

// libpq is left to itself.
static void test_no_list(void **state)
{
    (void)state;
    assert_hosts("host=a dbname=x", 0, NULL);
    assert_hosts("host=a,b port=1,2,3", 0, NULL);
    assert_hosts("host=a,,b", 0, NULL);
    assert_hosts("host=a,b,c hostaddr=10.0.0.1,10.0.0.2", 0, NULL);
    assert_hosts("host=a,b service=s", 0, NULL);
    assert_hosts("host=a,b nonsense", 0, NULL);
    assert_hosts("a,b", 0, NULL); // the name of a database
    assert_hosts("host=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", 0, NULL);
    assert_hosts(NULL, 0, NULL);
}

static void assert_problem(const char *url, const char *wanted)
{
    const char *got = db_hosts_problem(url);
    if (wanted == NULL) {
        assert_null(got);
    } else {
        assert_non_null(got);
        assert_non_null(strstr(got, wanted));
        assert_null(strstr(got, "abc"));
    }
}

// What libpq would refuse with every server there is.
static void test_problems(void **state)
{
    (void)state;
    static const char *const bad_ports[] = {
        "postgresql://h:abc/x",
        "postgresql://u:abc/x",
        "host=h port=0",
        "host=h port=65536",
        "host=h port=-1",
        "host=h port=5432x",
        "host=a,b port=1,abc",
        "host=h port=99999999999999999999",
        "port=' '",
    };
    for (size_t i = 0; i < sizeof bad_ports / sizeof bad_ports[0]; i++) {
        assert_problem(bad_ports[i], "malformed: a port is no number");
    }
    assert_problem("host=a,b port=1,2,3", "malformed: it has not as many ports as hosts");
    assert_problem("host=a,b hostaddr=10.0.0.1 port=1,2", "not as many ports");
    assert_problem("host=a port=1,2", "not as many ports");
    assert_problem("host=a,b abc=x", "malformed");
    assert_problem("postgresql://[::1/abc", "malformed");
    static const char *const good[] = {
        "postgresql://h:5432/x",
        "host=a,b port=1,2",
        "host=a,b port=65535",
        "host=a,b port=1,",
        "port=1,2 dbname=x", // of PGHOST's
        "host=h port=' 5433 '",
        "host=h port=",
        "abc",
        "postgresql:///x",
        "hostaddr=10.0.0.1,10.0.0.2 host=a,b port=1,2",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_problem(good[i], NULL);
    }
    assert_problem(NULL, NULL);
}

static void test_environment(void **state)
{
    (void)state;
    assert_int_equal(setenv("PGHOST", "a,b", 1), 0);
    assert_hosts(NULL, 2, (DbHost[]){{.host = A}, {.host = B}});
    assert_hosts("dbname=x port=5433", 2,
                 (DbHost[]){{.host = A, .port = PORT1}, {.host = B, .port = PORT1}});
    assert_hosts("host=c", 0, NULL);
    assert_int_equal(unsetenv("PGHOST"), 0);
}

static int clear_environment(void **state)
{
    (void)state;
    static const char *const names[] = {"PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)unsetenv(names[i]);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_hosts),
        cmocka_unit_test(test_no_list),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests_name("db_hosts", tests, clear_environment, NULL);
}
