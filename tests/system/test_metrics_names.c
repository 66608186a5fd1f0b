// SPDX-License-Identifier: MIT
// The names of metrics: those of GET /metrics, and of the files and documents that name them; what Prometheus itself says of both.
#include "tests/support/unit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "tests/support/daemon.h"
#include "tests/support/metrics_scrape.h"

enum { NAMES_MAX = 200, NAME_BYTES = 96 };

typedef struct Names {
    char items[NAMES_MAX][NAME_BYTES];
    int count;
} Names;

static bool names_have(const Names *self, const char *name)
{
    for (int i = 0; i < self->count; i++) {
        if (str_equal(self->items[i], name)) {
            return true;
        }
    }
    return false;
}

// Words that begin with ganger_ in a text, each once; `before`: what must stand in front of one, NULL anything.
static void collect_names(Names *out, const char *text, const char *before)
{
    out->count = 0;
    for (const char *at = text; (at = strstr(at, "ganger_")) != NULL;) {
        size_t length = 0;
        while (isalnum((unsigned char)at[length]) || at[length] == '_') {
            length++;
        }
        const size_t lead = before != NULL ? strlen(before) : 0;
        char name[NAME_BYTES];
        if (length < sizeof name && (size_t)(at - text) >= lead &&
            (lead == 0 || strncmp(at - lead, before, lead) == 0)) {
            memcpy(name, at, length);
            name[length] = '\0';
            if (!names_have(out, name)) {
                assert_true(out->count < NAMES_MAX);
                memcpy(out->items[out->count++], name, length + 1);
            }
        }
        at += length;
    }
}

// The family of a series: a histogram's has three kinds.
static bool is_known(const Names *families, const char *name)
{
    static const char *const suffixes[] = {"", "_bucket", "_sum", "_count"};
    char family[NAME_BYTES];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        const size_t length = strlen(name);
        const size_t suffix = strlen(suffixes[i]);
        if (length > suffix && str_equal(name + length - suffix, suffixes[i])) {
            memcpy(family, name, length - suffix);
            family[length - suffix] = '\0';
            if (names_have(families, family)) {
                return true;
            }
        }
    }
    return false;
}

static char *source_file(const char *path)
{
    char *whole = mem_printf("%s/%s", getenv("GANGER_SOURCE_DIR"), path);
    FILE *file = fopen(whole, "re");
    if (file == NULL) {
        fail_msg("cannot read %s", whole);
    }
    StrBuf text = {0};
    char chunk[4096];
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0;) {
        strbuf_append_bytes(&text, chunk, got);
    }
    (void)fclose(file);
    free(whole);
    return strbuf_take(&text);
}

static void assert_all_known(SystemTest *test, const Names *families, const char *path)
{
    static Names named;
    char *text = source_file(path);
    collect_names(&named, text, NULL);
    CHECK(test, named.count > 3);
    for (int i = 0; i < named.count; i++) {
        if (!is_known(families, named.items[i])) {
            (void)fprintf(stderr, "%s names %s, which is no metric\n", path, named.items[i]);
            system_fail(test, "an unknown metric");
        }
    }
    free(text);
}

// PostgreSQL reads JSON for us.
static void assert_json(SystemTest *test, const char *path)
{
    char *text = source_file(path);
    const char *values[] = {text};
    PGresult *result =
        PQexecParams(test->conn, "select $1::json -> 'panels'", 1, NULL, values, NULL, NULL, 0);
    CHECK(test, PQresultStatus(result) == PGRES_TUPLES_OK && !PQgetisnull(result, 0, 0));
    PQclear(result);
    free(text);
}

static void test_names_agree(void **state)
{
    SystemTest *test = *state;
    static Names families;
    static Names documented;
    run_node(test, "named", 1);
    await_value(test, "ganger_database_samples_total{result=\"ok\"}", 1);
    char *text = fetch(test);
    collect_names(&families, text, "# TYPE ");
    free(text);
    CHECK(test, families.count > 40);
    char *document = source_file("docs/metrics.md");
    collect_names(&documented, document, "| `");
    free(document);
    for (int i = 0; i < families.count; i++) {
        if (!names_have(&documented, families.items[i])) {
            (void)fprintf(stderr, "docs/metrics.md lacks %s\n", families.items[i]);
            system_fail(test, "a metric is not documented");
        }
    }
    for (int i = 0; i < documented.count; i++) {
        if (!names_have(&families, documented.items[i])) {
            (void)fprintf(stderr, "there is no metric %s\n", documented.items[i]);
            system_fail(test, "a documented metric does not exist");
        }
    }
    assert_all_known(test, &families, "docs/metrics.md");
    assert_all_known(test, &families, "conf/grafana-dashboard.json");
    assert_all_known(test, &families, "conf/alerts.yaml");
    assert_json(test, "conf/grafana-dashboard.json");
}

// --- the judgement of Prometheus itself

// Exit code of a shell command; its output goes to standard error.
static int run_shell(const char *command)
{
    const pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(STDERR_FILENO, STDOUT_FILENO);
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_promtool(void **state)
{
    SystemTest *test = *state;
    if (run_shell("command -v promtool > /dev/null") != 0) {
        print_message("promtool is missing (package prometheus): scripts/setup installs it\n");
        skip();
    }
    run_node(test, "judged", 1);
    (void)job_add(test, "'noop'");
    await_value(test, "ganger_database_samples_total{result=\"ok\"}", 1);
    await_value(test, FINISHED("noop", "completed"), 1);
    char *text = fetch(test);
    char *path = mem_printf("%s/metrics.txt", test->folder);
    FILE *file = fopen(path, "we");
    CHECK(test, file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
    char *command = mem_printf("promtool check metrics < '%s'", path);
    CHECK(test, run_shell(command) == 0);
    free(command);
    command = mem_printf("promtool check rules '%s/conf/alerts.yaml'", getenv("GANGER_SOURCE_DIR"));
    CHECK(test, run_shell(command) == 0);
    free(command);
    free(path);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names_agree, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_promtool, system_setup, system_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
