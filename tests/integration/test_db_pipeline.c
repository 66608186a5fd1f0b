// SPDX-License-Identifier: MIT
// Pipelines and arrays against a real server.
#include "tests/integration/db_test.h"

#include <signal.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/db/db_array.h"
#include "common/db/db_internal.h"

enum { SLACK_MS = 900 }; // what a loaded machine may add to a time limit

static const SqlStatement SQL_ECHO = {"t_echo", "SELECT $1::text AS text"};
static const SqlStatement SQL_COUNT = {"t_count", "SELECT count(*) AS n FROM t"};
static const SqlStatement SQL_INT8S = {"t_int8s", "SELECT array_to_json($1::bigint[]) AS json"};
static const SqlStatement SQL_TEXTS = {"t_texts", "SELECT array_to_json($1::text[]) AS json"};
static const SqlStatement SQL_UUIDS = {"t_uuids", "SELECT array_to_json($1::uuid[]) AS json"};

static int64_t count_rows(void)
{
    PGresult *result = NULL;
    assert_int_equal(db_exec(db, &SQL_COUNT, NULL, 5000, &result), STATUS_OK);
    int64_t count = db_int(result, 0, "n", -1);
    PQclear(result);
    return count;
}

static void add_int(const SqlStatement *statement, int64_t value)
{
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, value);
    assert_int_equal(db_pipeline_add(db, statement, &params), STATUS_OK);
}

static void test_pipeline_is_one_transaction(void **state)
{
    (void)state;
    PGresult *results[DB_PIPELINE_MAX];
    int count = -1;
    for (int64_t round = 0; round < 2; round++) { // the second one finds its statements prepared
        assert_int_equal(db_pipeline_begin(db), STATUS_OK);
        add_int(&SQL_INSERT, round * 2);
        add_int(&SQL_INSERT, round * 2 + 1);
        assert_int_equal(db_pipeline_add(db, &SQL_COUNT, NULL), STATUS_OK);
        assert_int_equal(db_pipeline_run(db, 5000, results, &count), STATUS_OK);
        assert_int_equal(count, 3);
        assert_int_equal(db_int(results[2], 0, "n", -1), round * 2 + 2);
        for (int i = 0; i < count; i++) {
            PQclear(results[i]);
        }
        assert_int_equal(count_rows(), round * 2 + 2);
    }
}

static void test_pipeline_error_undoes_all(void **state)
{
    (void)state;
    PGresult *results[DB_PIPELINE_MAX];
    int count = -1;
    assert_int_equal(db_pipeline_begin(db), STATUS_OK);
    add_int(&SQL_INSERT, 1);
    add_int(&SQL_DIVIDE, 0);
    assert_int_equal(db_pipeline_add(db, &SQL_COUNT, NULL), STATUS_OK);
    assert_int_equal(db_pipeline_run(db, 5000, results, &count), STATUS_REFUSED);
    assert_string_equal(db_sqlstate(db), "22012");
    assert_int_equal(count, 0);
    for (int i = 0; i < 3; i++) {
        assert_null(results[i]);
    }
    // SQL_COUNT came after the error and was not prepared there; it is now.
    assert_int_equal(count_rows(), 0);
    assert_false(db_is_lost(db));
}

static void test_pipeline_commit_failure_undoes_all(void **state)
{
    (void)state;
    PGresult *results[DB_PIPELINE_MAX];
    int count = -1;
    assert_int_equal(db_pipeline_begin(db), STATUS_OK);
    add_int(&SQL_INSERT, 5);
    add_int(&SQL_INSERT, 5);
    assert_int_equal(db_pipeline_run(db, 5000, results, &count), STATUS_REFUSED);
    assert_string_equal(db_sqlstate(db), "23505");
    assert_null(results[0]);
    assert_null(results[1]);
    assert_int_equal(count_rows(), 0);
}

static void test_pipeline_timeout(void **state)
{
    (void)state;
    PGresult *results[DB_PIPELINE_MAX];
    int count = -1;
    assert_int_equal(db_pipeline_begin(db), STATUS_OK);
    add_int(&SQL_INSERT, 1);
    add_int(&SQL_SLEEP, 30);
    int64_t began_at = clock_boot_ms();
    assert_int_equal(db_pipeline_run(db, 300, results, &count), STATUS_RETRY);
    assert_in_range(clock_boot_ms() - began_at, 300, 300 + SLACK_MS);
    assert_int_equal(count_rows(), 0);
}

static void test_pipeline_lost(void **state)
{
    (void)state;
    PGresult *results[DB_PIPELINE_MAX];
    int count = -1;
    assert_int_equal(db_pipeline_begin(db), STATUS_OK);
    add_int(&SQL_INSERT, 1);
    test_db_run(own, "SELECT pg_terminate_backend(%d, 5000)", db_backend_pid(db));
    assert_int_equal(db_pipeline_run(db, 5000, results, &count), STATUS_LOST);
    assert_null(results[0]);
    assert_true(db_is_lost(db));
    assert_int_equal(test_db_int(own, "SELECT count(*) FROM t"), 0);
}

// More than both socket buffers hold in either direction: who only writes, or only reads, hangs.
static void test_pipeline_larger_than_the_buffers(void **state)
{
    (void)state;
    enum { TEXT_BYTES = 1 << 20, STATEMENTS = 8 };
    char *text = mem_alloc(TEXT_BYTES + 1);
    memset(text, 'x', TEXT_BYTES);
    PGresult *results[DB_PIPELINE_MAX];
    int count = -1;
    assert_int_equal(db_pipeline_begin(db), STATUS_OK);
    for (int i = 0; i < STATEMENTS; i++) {
        DbParams params;
        db_params_init(&params);
        db_param_text(&params, text);
        assert_int_equal(db_pipeline_add(db, &SQL_ECHO, &params), STATUS_OK);
    }
    free(text);
    assert_int_equal(db_pipeline_run(db, 20000, results, &count), STATUS_OK);
    assert_int_equal(count, STATEMENTS);
    for (int i = 0; i < count; i++) {
        assert_int_equal(strlen(db_text(results[i], 0, "text")), TEXT_BYTES);
        PQclear(results[i]);
    }
}

static void test_empty_pipeline(void **state)
{
    (void)state;
    PGresult *results[DB_PIPELINE_MAX];
    int count = -1;
    assert_int_equal(db_pipeline_begin(db), STATUS_OK);
    assert_int_equal(db_pipeline_run(db, 5000, results, &count), STATUS_OK);
    assert_int_equal(count, 0);
    assert_int_equal(count_rows(), 0);
}

// Behind a pooler each transaction may meet another backend, which knows no names of ours.
static void test_pooled_connection_leaves_no_names(void **state)
{
    (void)state;
    PGresult *results[DB_PIPELINE_MAX];
    int count = -1;
    db->is_pooled = true;
    assert_int_equal(count_rows(), 0);
    assert_int_equal(db_pipeline_begin(db), STATUS_OK);
    add_int(&SQL_INSERT, 1);
    add_int(&SQL_INSERT, 2);
    assert_int_equal(db_pipeline_run(db, 5000, results, &count), STATUS_OK);
    assert_int_equal(count, 2);
    PQclear(results[0]);
    PQclear(results[1]);
    assert_int_equal(count_rows(), 2);
    assert_int_equal(test_db_int(db_conn(db), "SELECT count(*) FROM pg_prepared_statements"), 0);
}

// The array as PostgreSQL understood it; freed here.
static void assert_array(const SqlStatement *statement, DbArray *array, const char *json)
{
    DbParams params;
    db_params_init(&params);
    db_param_array(&params, array);
    PGresult *result = NULL;
    assert_int_equal(db_exec(db, statement, &params, 5000, &result), STATUS_OK);
    db_array_free(array);
    assert_string_equal(db_text(result, 0, "json"), json);
    PQclear(result);
}

static void test_array_of_integers(void **state)
{
    (void)state;
    DbArray array;
    db_array_begin(&array, DB_ELEMENT_INT8);
    assert_array(&SQL_INT8S, &array, "[]");
    db_array_begin(&array, DB_ELEMENT_INT8);
    db_array_add_int8(&array, 0);
    db_array_add_int8(&array, INT64_MAX);
    db_array_add_null(&array);
    db_array_add_int8(&array, INT64_MIN);
    db_array_add_int8(&array, -1);
    assert_array(&SQL_INT8S, &array, "[0,9223372036854775807,null,-9223372036854775808,-1]");
}

static void test_array_of_text(void **state)
{
    (void)state;
    DbArray array;
    db_array_begin(&array, DB_ELEMENT_TEXT);
    db_array_add_text(&array, "");
    db_array_add_text(&array, "{a,\"b\"}");
    db_array_add_text(&array, NULL);
    db_array_add_text(&array, "NULL");
    db_array_add_text(&array, "back\\slash 'quote'");
    db_array_add_text(&array, "\xc3\xa4\xe2\x82\xac");
    assert_array(&SQL_TEXTS, &array,
                 "[\"\",\"{a,\\\"b\\\"}\",null,\"NULL\",\"back\\\\slash 'quote'\","
                 "\"\xc3\xa4\xe2\x82\xac\"]");
}

static void test_array_of_uuid(void **state)
{
    (void)state;
    uint8_t uuid[16];
    for (int i = 0; i < 16; i++) {
        uuid[i] = (uint8_t)(0xf0 + i);
    }
    DbArray array;
    db_array_begin(&array, DB_ELEMENT_UUID);
    db_array_add_uuid(&array, uuid);
    db_array_add_null(&array);
    assert_array(&SQL_UUIDS, &array, "[\"f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff\",null]");
}

#define WITH_CONNECTION(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_FATAL);
    const struct CMUnitTest tests[] = {
        WITH_CONNECTION(test_pipeline_is_one_transaction),
        WITH_CONNECTION(test_pipeline_error_undoes_all),
        WITH_CONNECTION(test_pipeline_commit_failure_undoes_all),
        WITH_CONNECTION(test_pipeline_timeout),
        WITH_CONNECTION(test_pipeline_lost),
        WITH_CONNECTION(test_pipeline_larger_than_the_buffers),
        WITH_CONNECTION(test_empty_pipeline),
        WITH_CONNECTION(test_pooled_connection_leaves_no_names),
        WITH_CONNECTION(test_array_of_integers),
        WITH_CONNECTION(test_array_of_text),
        WITH_CONNECTION(test_array_of_uuid),
    };
    return cmocka_run_group_tests_name("db_pipeline", tests, setup_database, teardown_database);
}
