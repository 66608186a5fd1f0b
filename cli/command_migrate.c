// SPDX-License-Identifier: MIT
// Commands migrate up, status, sql.
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/migrate_script.h"
#include "cli/table.h"
#include "common/base/exit_code.h"
#include "common/db/migrate.h"

int command_migrate_up(struct Cli *cli)
{
    int exit_code = cli_connect(cli);
    if (exit_code != EXIT_CODE_OK) {
        return exit_code;
    }
    int applied = 0;
    StrBuf why = {0};
    Status status = migrate_up(cli->db, &applied, &why);
    if (status == STATUS_LOST) {
        exit_code = cli_fail_statement(cli, status);
    } else if (status != STATUS_OK) {
        cli_say("%s", why.length > 0 ? why.text : db_error_message(cli->db));
        exit_code = status == STATUS_REFUSED ? EXIT_CODE_CONFIG : EXIT_CODE_FAILED;
    } else if (cli->is_json) {
        (void)printf("{\"version\": %d, \"applied\": %d}\n", migrate_wanted_version(), applied);
    } else if (applied == 0) {
        (void)printf("nothing to do: the schema is at version %d\n", migrate_wanted_version());
    } else {
        (void)printf("applied %d migration%s: the schema is at version %d\n", applied,
                     applied == 1 ? "" : "s", migrate_wanted_version());
    }
    strbuf_free(&why);
    return exit_code;
}

static const char *state_word(const MigrationStatus *status)
{
    if (!status->file) {
        return "unknown to this program";
    }
    switch (status->state) {
    case MIGRATION_PENDING:
        return "pending";
    case MIGRATION_APPLIED:
        return "applied";
    case MIGRATION_CHANGED:
        return "changed since it was applied";
    }
    return "";
}

static void print_status_json(const MigrationStatus *rows, int count)
{
    StrBuf out = {0};
    strbuf_append_char(&out, '[');
    for (int i = 0; i < count; i++) {
        strbuf_printf(&out, "%s{\"version\": %d, \"name\": ", i == 0 ? "\n" : ",\n",
                      rows[i].version);
        if (rows[i].file) {
            strbuf_append_json(&out, rows[i].file->name);
        } else {
            strbuf_append(&out, "null");
        }
        strbuf_append(&out, ", \"state\": ");
        strbuf_append_json(&out, state_word(&rows[i]));
        strbuf_append(&out, ", \"applied_at\": ");
        if (rows[i].applied_at[0] != '\0') {
            strbuf_append_json(&out, rows[i].applied_at);
        } else {
            strbuf_append(&out, "null");
        }
        strbuf_append_char(&out, '}');
    }
    (void)printf("%s%s]\n", out.text, count > 0 ? "\n" : "");
    strbuf_free(&out);
}

static void print_status(const struct Cli *cli, const MigrationStatus *rows, int count)
{
    static const ColumnSpec columns[] = {
        {"version", COLUMN_NUMBER},
        {"name", COLUMN_TEXT},
        {"state", COLUMN_STATUS},
        {"applied", COLUMN_TEXT},
    };
    Table *table = table_create();
    StrBuf text = {0};
    TABLE_ADD_COLUMNS(table, columns);
    for (int i = 0; i < count; i++) {
        table_add_integer(table, rows[i].version);
        table_add_cell(table, rows[i].file ? rows[i].file->name : NULL);
        table_add_cell(table, state_word(&rows[i]));
        table_add_cell(table, rows[i].applied_at[0] != '\0' ? rows[i].applied_at : NULL);
    }
    table_render(table, cli->width, cli->has_color, true, &text);
    (void)fputs(text.text, stdout);
    strbuf_free(&text);
    table_destroy(table);
}

static bool is_all_applied(const MigrationStatus *rows, int count)
{
    for (int i = 0; i < count; i++) {
        if (!rows[i].file || rows[i].state != MIGRATION_APPLIED) {
            return false;
        }
    }
    return true;
}

int command_migrate_status(struct Cli *cli)
{
    int exit_code = cli_connect(cli);
    if (exit_code != EXIT_CODE_OK) {
        return exit_code;
    }
    MigrationStatus *rows = NULL;
    int count = 0;
    Status status = migrate_status(cli->db, &rows, &count);
    if (status != STATUS_OK) {
        return cli_fail_statement(cli, status);
    }
    if (cli->is_json) {
        print_status_json(rows, count);
    } else {
        print_status(cli, rows, count);
    }
    exit_code = is_all_applied(rows, count) ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    free(rows);
    return exit_code;
}

int command_migrate_sql(struct Cli *cli)
{
    (void)cli;
    StrBuf out = {0};
    migrate_script_write(&out);
    (void)fputs(out.text ? out.text : "", stdout);
    strbuf_free(&out);
    return EXIT_CODE_OK;
}
