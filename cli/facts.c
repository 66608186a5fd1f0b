// SPDX-License-Identifier: MIT
// Facts: all that is known about one thing, a line for each.
#include "cli/facts.h"

#include <stdio.h>

#include "cli/output.h"
#include "cli/table.h"
#include "cli/text.h"
#include "common/base/duration.h"
#include "common/base/exit_code.h"

void facts_append_lines(StrBuf *out, const char *text, size_t indent)
{
    StrBuf safe = {0};
    text_append_safe(&safe, text, true);
    for (const char *c = safe.text ? safe.text : ""; *c != '\0'; c++) {
        strbuf_append_char(out, *c);
        if (*c == '\n' && c[1] != '\0') {
            strbuf_printf(out, "%*s", (int)indent, "");
        }
    }
    strbuf_free(&safe);
}

void facts_print(const Cli *cli, const PGresult *result)
{
    enum { FACT_COLUMNS = 17 };
    StrBuf out = {0};
    for (int row = 0; row < PQntuples(result); row++) {
        const char *kind = db_text(result, row, "kind");
        const char *value = db_text(result, row, "value");
        strbuf_printf(&out, "%-*s", FACT_COLUMNS, db_text(result, row, "fact"));
        bool is_limit = str_equal(kind, "limit");
        if (is_limit || str_equal(kind, "ms")) {
            char shown[TEXT_SHORT_BYTES];
            // A limit reads as it is written on the command line: 1s, not 1.0s.
            (is_limit ? duration_format : text_duration)(db_int(result, row, "value", 0), shown,
                                                         sizeof shown);
            strbuf_append(&out, shown);
        } else {
            const char *color =
                cli->has_color && str_equal(kind, "status") ? table_status_color(value) : "";
            strbuf_append(&out, color);
            facts_append_lines(&out, value, FACT_COLUMNS);
            strbuf_append(&out, color[0] != '\0' ? "\033[0m" : "");
        }
        strbuf_append_char(&out, '\n');
    }
    (void)fputs(out.text, stdout);
    strbuf_free(&out);
}

int facts_show(Cli *cli, const SqlStatement *statement, const char *noun, const char *name)
{
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_text(&params, name);
    int exit_code = cli_query(cli, statement, &params, &result);
    if (exit_code == EXIT_CODE_OK && PQntuples(result) == 0) {
        cli_say("there is no %s '%s'", noun, name);
        exit_code = EXIT_CODE_FAILED;
    } else if (exit_code == EXIT_CODE_OK && cli->is_json) {
        output_object(result);
    } else if (exit_code == EXIT_CODE_OK) {
        facts_print(cli, result);
    }
    PQclear(result);
    return exit_code;
}
