// SPDX-License-Identifier: MIT
// Texts of others: in the log each event stays one line, whatever is in it; and what anybody may send to the channel that wakes
// the nodes wakes them, now and then, and nothing more.
#include "tests/support/unit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/json_check.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"

enum { LOG_BYTES_MAX = 8 * 1024 * 1024, FORGED_ROUNDS = 200, FORGED_EACH = 100 };

static const char MARK[] = "FORGED";

// As PostgreSQL writes them between e'' quotes.
static const char *const texts[] = {
    "\\nts=2030-01-01T00:00:00Z level=error event=FORGED",
    "\\r\\nts=2030 level=fatal event=FORGED",
    "\\rFORGED",
    "\\n\\nFORGED",
    "\\nFORGED\\n",
    "FORGED\\x1b[2J\\x1b[H",
    "\\x1b]0;FORGED\\x07",
    "\\x1b[31mFORGED\\x1b[0m",
    "FORGED\\x08\\x08\\x08\\x08",
    "FORGED\\x01\\x02\\x03",
    "FORGED\\x7f",
    "FORGED\\x0b\\x0c",
    "FORGED\\t",
    "FORGED\\x1f",
    "\" event=FORGED level=\"",
    "\\\" event=FORGED",
    "\\\\\" FORGED",
    "\\\\nFORGED",
    "'' FORGED",
    "FORGED=1 FORGED=2",
    "=FORGED",
    "FORGED=",
    "}{\"FORGED\": 1}",
    "\", \"FORGED\": \"",
    "FORGED\\u2028FORGED",
    "FORGED\\u2029FORGED",
    "FORGED\\u0085FORGED",
    "\\u202eDEGROF FORGED",
    "\\ufeffFORGED",
    "FORGED\\u200b",
    "%s%n%s FORGED",
    "%%FORGED%d",
    "${FORGED}",
    "$(FORGED)",
    "<script>FORGED</script>",
    "FORGED;FORGED|FORGED",
    "FORGED\\u009b31m",
    "FORGED\\u0080\\u009f",
    "<6>FORGED",
    "FORGED \\xc3\\xa9 \\xe2\\x82\\xac",
};

enum { TEXT_COUNT = sizeof texts / sizeof texts[0] };

static char *read_log(const Daemon *daemon, size_t *length)
{
    char *text = mem_alloc(LOG_BYTES_MAX);
    const int fd = open(daemon->log_path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    *length = 0;
    for (ssize_t got = 1; got > 0 && *length < LOG_BYTES_MAX - 1;) {
        got = read(fd, text + *length, LOG_BYTES_MAX - 1 - *length);
        *length += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    return text;
}

static void use_log(const Daemon *daemon, const char *options)
{
    static const char usual[] = "log: {format: logfmt}";
    size_t length = 0;
    Daemon as_log = *daemon;
    assert_true(str_copy(as_log.log_path, sizeof as_log.log_path, daemon->config_path));
    char *text = read_log(&as_log, &length);
    const char *at = strstr(text, usual);
    assert_non_null(at);
    FILE *file = fopen(daemon->config_path, "we");
    assert_non_null(file);
    (void)fprintf(file, "%.*slog: {level: debug, format: %s}%s", (int)(at - text), text, options,
                  at + strlen(usual));
    assert_int_equal(fclose(file), 0);
    free(text);
}

// How many lines have the mark. Each begins as a line does, and has no byte that a terminal or a reader of lines could take for more.
static int check_lines(SystemTest *test, const Daemon *daemon, bool is_json)
{
    size_t length = 0;
    char *log = read_log(daemon, &length);
    int marked = 0;
    for (char *line = log; line < log + length;) {
        char *end = memchr(line, '\n', (size_t)(log + length - line));
        CHECK(test, end != NULL);
        *end = '\0';
        const char *begin = is_json ? "{\"ts\":\"20" : "ts=20";
        bool is_fine =
            strncmp(line, begin, strlen(begin)) == 0 && strlen(line) == (size_t)(end - line);
        for (const char *at = line; at < end; at++) {
            const unsigned char byte = (unsigned char)*at;
            const unsigned char next =
                (unsigned char)at[1]; // the NUL in place of the line feed, at most
            is_fine = is_fine && byte >= 0x20 && byte != 0x7f && !(byte == 0xc2 && next < 0xa0);
        }
        is_fine = is_fine && (!is_json || json_check(line, strlen(line), NULL, NULL));
        if (!is_fine) {
            print_message("line: %s\n", line);
            system_fail(test, "a line of the log is none");
        }
        marked += strstr(line, MARK) != NULL ? 1 : 0;
        line = end + 1;
    }
    free(log);
    return marked;
}

static void run_texts(SystemTest *test, const char *format)
{
    static const char handlers[] = "tell: {exec: [/bin/sh, -c, 'printf \"%s\" \"$GANGER_OWNER\" "
                                   ">&2; exit 1']}, speak: {sql: app.speak}, "
                                   "nothing: {exec: [/bin/sh, -c, 'kill -SEGV $$']}";
    const Daemon *daemon = daemon_configure(test, format, &(DaemonOptions){.handlers = handlers});
    use_log(daemon, format);
    daemon_start(&test->daemons[test->daemon_count - 1]);
    for (int i = 0; i < TEXT_COUNT; i++) {
        (void)job_add(
            test, "'tell', owner => e'%s', max_attempts => 1, metadata => to_jsonb(e'%s'::text)",
            texts[i], texts[i]);
        (void)job_add(test,
                      "'speak', to_jsonb(e'%s'::text), max_attempts => 1, group_key => e'%s', tags "
                      "=> array[e'%s']",
                      texts[i], texts[i], texts[i]);
        (void)job_add(test, "e'%s'", texts[i]); // a type that nobody handles
    }
    (void)job_add(test, "'nothing', owner => e'%s', max_attempts => 1", texts[0]);
    sql_await(test, "(select count(*) = %d from ganger.jobs where status = 'failed')",
              2 * TEXT_COUNT + 1);
}

// The texts of errors come into the log as the server tells them: here a duty of the reaper fails, ten of them at a time.
static void fail_with_texts(SystemTest *test)
{
    StrBuf all = {0};
    for (int i = 0; i < TEXT_COUNT; i++) {
        strbuf_printf(&all, "%s(%d, e'%s')", i > 0 ? ", " : "", i, texts[i]);
    }
    test_db_run(test->conn,
                "create sequence turn; create table spoken as select n / 10 as turn, string_agg(t, "
                "' | ' order by n) as t from (values %s) v (n, t) group by 1",
                all.text);
    test_db_run(
        test->conn,
        "create or replace function ganger._tick(promote integer default 10000) returns jsonb "
        "language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp "
        "as $$ declare now constant bigint := nextval('public.turn') %% 4; begin raise exception "
        "using message = (select s.t from public.spoken s where s.turn = now), errcode = 'XX000'; "
        "end $$");
    strbuf_free(&all);
}

static void check_log(SystemTest *test, const char *format, bool is_json)
{
    test_db_run(
        test->conn,
        "create schema app; create function app.speak(payload jsonb, job ganger.jobs) returns "
        "jsonb language plpgsql as "
        "$$ begin raise exception using message = payload #>> '{}', errcode = 'P0001'; end $$");
    run_texts(test, format);
    // What is kept in the database is what was said.
    sql_check(test,
              "(select count(*) = %d from ganger.jobs where job_type = 'speak' and error like "
              "'%%FORGED%%')",
              TEXT_COUNT);
    const Daemon *daemon = &test->daemons[0];
    fail_with_texts(test);
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
         daemon_log_count(daemon, "sqlstate") < 4; pause_ms(50)) {
        CHECK(test, clock_boot_ms() < until);
    }
    const int marked = check_lines(test, daemon, is_json);
    print_message("# %d lines of the log have texts of others\n", marked);
    CHECK(test, marked >= 4);
}

static void test_log_in_logfmt(void **state)
{
    check_log(*state, "logfmt", false);
}

static void test_log_in_json(void **state)
{
    check_log(*state, "json", true);
}

static int64_t transactions(SystemTest *test)
{
    test_db_run(test->conn, "select pg_stat_force_next_flush()");
    return test_db_int(test->conn, "select xact_commit + xact_rollback from pg_stat_database where "
                                   "datname = current_database()");
}

// Anybody who may connect may NOTIFY, in PostgreSQL. 20,000 of them, of every kind: the node looks for work a little more often.
static void test_forged_notifications(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "hinted", 2, NULL);
    const int64_t before = transactions(test);
    const int64_t start_ms = clock_boot_ms();
    for (int round = 0; round < FORGED_ROUNDS; round++) {
        test_db_run(test->conn,
                    "select pg_notify('ganger', (array['work:default', 'work:', 'due', 'cancel', "
                    "'work:' || repeat('x', 7000), '', 'stop', "
                    "'work:a' || chr(10) || 'b', '''; drop table ganger.job; --', '%%s%%n'])[1 + n "
                    "%% 10] || case n %% 10 when 0 then '' else n::text end) "
                    "from generate_series(1, %d) n",
                    FORGED_EACH);
    }
    job_await(test, job_add(test, "'noop'"), "completed");
    pause_ms(1100); // backends tell their statistics once a second
    const int64_t took_ms = clock_boot_ms() - start_ms;
    const int64_t by_the_node = transactions(test) - before - FORGED_ROUNDS;
    print_message("# %d notifications: %" PRId64 " transactions of the node in %" PRId64 " ms\n",
                  FORGED_ROUNDS * FORGED_EACH, by_the_node, took_ms);
    // A poll each 5 ms and a claim for each is what the node does at most, in a flood.
    CHECK(test, by_the_node < 2 * took_ms / 5 + 100);
    CHECK(test, by_the_node < FORGED_ROUNDS * FORGED_EACH / 10);
    CHECK(test, process_is_alive(daemon->pid));
    CHECK(test, daemon_log_count(daemon, "level=error") == 0);
    daemon_await_workers(test, daemon, 2);
    sql_check(test, "(select count(*) = 1 from ganger.nodes where state = 'alive')");
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_FATAL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_log_in_logfmt, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_log_in_json, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_forged_notifications, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("security_texts", tests, NULL, NULL);
}
