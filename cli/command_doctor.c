// SPDX-License-Identifier: MIT
// Command doctor: what is wrong, and how to mend it.
#include <stdio.h>

#include "cli/commands.h"
#include "cli/diagnosis.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/text.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

enum { INDENT = 9, LEAST_WIDTH = 20 };

static bool is_bad(const PGresult *result, int row)
{
    const char *severity = db_text(result, row, "severity");
    return str_equal(severity, "error") || str_equal(severity, "warning");
}

// "error    server, fsync", below it what was found, and how to mend it. The latter is not wrapped: it may be copied.
static void print_finding(const Cli *cli, const PGresult *result, int row)
{
    const char *severity = db_text(result, row, "severity");
    const char *subject = db_text(result, row, "subject");
    const char *mend = db_text(result, row, "mend");
    const char *color = cli->has_color ? table_status_color(severity) : "";
    StrBuf text = {0};
    StrBuf out = {0};
    strbuf_printf(&out, "%s%-*s%s", color, INDENT, severity, color[0] != '\0' ? "\033[0m" : "");
    text_append_safe(&out, db_text(result, row, "check_name"), false);
    if (subject) {
        strbuf_append(&out, ": ");
        text_append_safe(&out, subject, false);
    }
    strbuf_printf(&out, "\n%*s", INDENT, "");
    text_append_safe(&text, db_text(result, row, "finding"), false);
    size_t room = cli->width > INDENT + LEAST_WIDTH ? cli->width - INDENT : SIZE_MAX;
    text_append_wrapped(&out, text.text ? text.text : "", room, INDENT);
    if (mend) {
        strbuf_printf(&out, "\n%*smend: ", INDENT, "");
        text_append_safe(&out, mend, false);
    }
    (void)puts(out.text);
    strbuf_free(&out);
    strbuf_free(&text);
}

static void print_findings(const Cli *cli, const PGresult *result)
{
    if (cli->is_json) {
        output_rows(cli, result, "");
        return;
    }
    for (int row = 0; row < PQntuples(result); row++) {
        print_finding(cli, result, row);
    }
    if (PQntuples(result) == 0) {
        (void)puts("nothing is wrong");
    }
}

int command_doctor(struct Cli *cli)
{
    Diagnosis diagnosis = {0};
    PGresult *result = NULL;
    int exit_code = cli_connect(cli);
    if (exit_code != EXIT_CODE_OK) {
        return exit_code;
    }
    cli->is_schema_checked = true; // it is one of the checks
    exit_code = diagnosis_make(&diagnosis, cli);
    if (exit_code == EXIT_CODE_OK) {
        DbParams params;
        db_params_init(&params);
        db_param_array(&params, &diagnosis.checks);
        db_param_array(&params, &diagnosis.severities);
        db_param_array(&params, &diagnosis.subjects);
        db_param_array(&params, &diagnosis.findings);
        db_param_array(&params, &diagnosis.mends);
        db_param_bool(&params, cli->is_json || cli_option(cli, OPT_ALL) != NULL);
        exit_code =
            cli_query(cli, diagnosis.is_schema_ours ? &SQL_cli_doctor : &SQL_cli_doctor_outside,
                      &params, &result);
    }
    if (exit_code == EXIT_CODE_OK) {
        print_findings(cli, result);
        for (int row = 0; row < PQntuples(result); row++) {
            exit_code = is_bad(result, row) ? EXIT_CODE_FAILED : exit_code;
        }
    }
    PQclear(result);
    diagnosis_free(&diagnosis);
    return exit_code;
}
