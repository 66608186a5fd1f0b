// SPDX-License-Identifier: MIT
// Command jobs show: all facts about one job, its attempts with their causes of death, its log.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/facts.h"
#include "cli/ids.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/text.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

static int show_json(struct Cli *cli, const DbParams *params, int64_t id)
{
    PGresult *result = NULL;
    int exit_code = cli_query(cli, &SQL_cli_job_json, params, &result);
    if (exit_code == EXIT_CODE_OK && PQntuples(result) == 0) {
        cli_say("there is no job %" PRId64, id);
        exit_code = EXIT_CODE_FAILED;
    } else if (exit_code == EXIT_CODE_OK) {
        output_object(result);
    }
    PQclear(result);
    return exit_code;
}

static void add_attempt(Table *table, const PGresult *result, int row)
{
    static const char *const columns[] = {"attempt", "outcome", "started", "took_ms",
                                          "cpu_ms",  "memory",  "node",    "worker"};
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        table_add_cell(table, db_text(result, row, columns[i]));
    }
    const char *error = db_text(result, row, "error");
    const char *outcome = db_text(result, row, "outcome");
    // The message of a killed attempt says in other words what the signal has said already.
    bool is_killed = outcome && (str_equal(outcome, "crashed") || str_equal(outcome, "timeout"));
    char *cause = text_cause(outcome, db_int(result, row, "signal", -1),
                             db_int(result, row, "exit_code", -1), error);
    StrBuf words = {0};
    strbuf_append(&words, cause);
    if (error && error[0] != '\0' && !is_killed) {
        strbuf_printf(&words, ": %.*s", (int)strcspn(error, "\n"), error);
    }
    table_add_cell(table, words.text);
    strbuf_free(&words);
    free(cause);
}

static void print_attempts(const struct Cli *cli, const PGresult *result)
{
    static const ColumnSpec columns[] = {
        {"attempt", COLUMN_NUMBER}, {"outcome", COLUMN_STATUS}, {"started", COLUMN_STATUS},
        {"took", COLUMN_DURATION},  {"cpu", COLUMN_DURATION},   {"memory", COLUMN_NUMBER},
        {"node", COLUMN_TEXT},      {"worker", COLUMN_NUMBER},  {"cause", COLUMN_NOTE},
    };
    StrBuf text = {0};
    Table *table = table_create();
    TABLE_ADD_COLUMNS(table, columns);
    for (int row = 0; row < PQntuples(result); row++) {
        add_attempt(table, result, row);
    }
    table_render(table, cli->width, cli->has_color, true, &text);
    (void)printf("\n");
    int64_t total = db_int(result, 0, "total", 0);
    if (total > PQntuples(result)) {
        (void)printf("the newest %d of %" PRId64 " attempts; all: the view ganger.attempts\n",
                     PQntuples(result), total);
    }
    (void)printf("%s", text.text);
    strbuf_free(&text);
    table_destroy(table);
}

static void print_last_log(const PGresult *result)
{
    int row = PQntuples(result) - 1;
    const char *log = row >= 0 ? db_text(result, row, "log") : NULL;
    if (!log || log[0] == '\0') {
        return;
    }
    StrBuf out = {0};
    strbuf_append(&out, "  ");
    facts_append_lines(&out, log, 2);
    bool has_end = out.text[out.length - 1] == '\n';
    (void)printf("\nlog of attempt %" PRId64 " (its end):\n%s%s", db_int(result, row, "attempt", 0),
                 out.text, has_end ? "" : "\n");
    strbuf_free(&out);
}

int command_jobs_show(struct Cli *cli)
{
    int64_t id = 0;
    int exit_code = EXIT_CODE_OK;
    if (!ids_read_one(cli, cli->line.args[0], &id, &exit_code)) {
        return exit_code;
    }
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, id);
    if (cli->is_json) {
        return show_json(cli, &params, id);
    }
    PGresult *facts = NULL;
    PGresult *attempts = NULL;
    exit_code = cli_query(cli, &SQL_cli_job_facts, &params, &facts);
    if (exit_code == EXIT_CODE_OK && PQntuples(facts) == 0) {
        cli_say("there is no job %" PRId64, id);
        exit_code = EXIT_CODE_FAILED;
    }
    if (exit_code == EXIT_CODE_OK) {
        exit_code = cli_query(cli, &SQL_cli_job_attempts, &params, &attempts);
    }
    if (exit_code == EXIT_CODE_OK) {
        facts_print(cli, facts);
        if (PQntuples(attempts) > 0) {
            print_attempts(cli, attempts);
            print_last_log(attempts);
        }
    }
    PQclear(facts);
    PQclear(attempts);
    return exit_code;
}
