// SPDX-License-Identifier: MIT
// Output: results of statements as a table, or as the JSON that PostgreSQL made.
#include "cli/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/table.h"
#include "cli/text.h"

// Type OIDs of pg_type.dat that are not shown as they come.
enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_FLOAT8 = 701,
    OID_TIMESTAMPTZ = 1184,
    OID_NUMERIC = 1700
};

static bool ends_with(const char *text, const char *end)
{
    size_t text_length = strlen(text);
    size_t end_length = strlen(end);
    return text_length > end_length && str_equal(text + text_length - end_length, end);
}

static ColumnKind column_kind(const PGresult *result, int column)
{
    const char *name = PQfname(result, column);
    Oid type = PQftype(result, column);
    if (ends_with(name, "_note")) {
        return COLUMN_NOTE;
    }
    if (ends_with(name, "_age")) {
        return COLUMN_AGE;
    }
    if (ends_with(name, "_ms")) {
        return COLUMN_DURATION;
    }
    if (str_equal(name, "status") || str_equal(name, "state") || str_equal(name, "outcome") ||
        str_equal(name, "cron")) { // the last is never cut
        return COLUMN_STATUS;
    }
    bool is_number = type == OID_INT8 || type == OID_INT2 || type == OID_INT4 ||
                     type == OID_FLOAT8 || type == OID_NUMERIC;
    return is_number ? COLUMN_NUMBER : COLUMN_TEXT;
}

static bool begins_with_all(const char *name)
{
    return strncmp(name, "all_", strlen("all_")) == 0;
}

static bool is_shown(const Cli *cli, const char *name)
{
    return !str_equal(name, "json") && strncmp(name, "raw_", strlen("raw_")) != 0 &&
           (!begins_with_all(name) || cli_option(cli, OPT_ALL));
}

static void add_columns(const Cli *cli, Table *table, const PGresult *result)
{
    static const char *const kinds[] = {"_age", "_ms", "_note"};
    for (int column = 0; column < PQnfields(result); column++) {
        const char *name = PQfname(result, column);
        if (!is_shown(cli, name)) {
            continue;
        }
        name += begins_with_all(name) ? strlen("all_") : 0;
        size_t length = strlen(name);
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            if (ends_with(name, kinds[i])) {
                length -= strlen(kinds[i]);
                break;
            }
        }
        char *header = mem_strndup(name, length);
        table_add_column(table, header, column_kind(result, column));
        free(header);
    }
}

static void add_value(Table *table, const PGresult *result, int row, int column)
{
    const char *value = PQgetvalue(result, row, column);
    if (PQgetisnull(result, row, column) == 1) {
        table_add_cell(table, NULL);
    } else if (PQftype(result, column) == OID_BOOL) {
        table_add_cell(table, value[0] == 't' ? "yes" : "no");
    } else if (PQftype(result, column) == OID_TIMESTAMPTZ) {
        // The session is in UTC; parts of a second say nothing in a list.
        char *instant = mem_printf("%.*sZ", (int)strcspn(value, ".+"), value);
        table_add_cell(table, instant);
        free(instant);
    } else {
        table_add_cell(table, value);
    }
}

static void print_and_destroy(const Cli *cli, Table *table, bool has_header)
{
    StrBuf text = {0};
    table_render(table, cli->width, cli->has_color, has_header, &text);
    if (text.length > 0) {
        (void)fputs(text.text, stdout);
    }
    strbuf_free(&text);
    table_destroy(table);
}

static void print_table(const Cli *cli, const PGresult *result, const char *header,
                        char *(*note)(const PGresult *result, int row))
{
    Table *table = table_create();
    add_columns(cli, table, result);
    if (note) {
        table_add_column(table, header, COLUMN_NOTE);
    }
    for (int row = 0; row < PQntuples(result); row++) {
        for (int column = 0; column < PQnfields(result); column++) {
            if (is_shown(cli, PQfname(result, column))) {
                add_value(table, result, row, column);
            }
        }
        if (note) {
            char *text = note(result, row);
            table_add_cell(table, text);
            free(text);
        }
    }
    print_and_destroy(cli, table, true);
}

static void print_json(const PGresult *result)
{
    int column = PQfnumber(result, "json");
    (void)fputs("[", stdout);
    for (int row = 0; row < PQntuples(result) && column >= 0; row++) {
        (void)printf("%s%s", row == 0 ? "\n" : ",\n", PQgetvalue(result, row, column));
    }
    (void)fputs(PQntuples(result) > 0 ? "\n]\n" : "]\n", stdout);
}

void output_rows(const Cli *cli, const PGresult *result, const char *nothing)
{
    output_rows_noted(cli, result, nothing, NULL, NULL);
}

void output_rows_noted(const Cli *cli, const PGresult *result, const char *nothing,
                       const char *header, char *(*note)(const PGresult *result, int row))
{
    if (cli->is_json) {
        print_json(result);
    } else if (PQntuples(result) == 0) {
        cli_say("%s", nothing);
    } else {
        print_table(cli, result, header, note);
    }
}

void output_facts(const Cli *cli, const PGresult *result)
{
    Table *table = table_create();
    table_add_column(table, "fact", COLUMN_TEXT);
    table_add_column(table, "value", COLUMN_TEXT);
    for (int row = 0; row < PQntuples(result); row++) {
        const char *fact = db_text(result, row, "fact");
        const char *value = db_text(result, row, "value");
        char shown[TEXT_SHORT_BYTES];
        size_t length = strlen(fact);
        bool is_duration = ends_with(fact, "_ms");
        length -= is_duration ? strlen("_ms") : 0;
        if (is_duration && value) {
            text_duration(db_int(result, row, "value", 0), shown, sizeof shown);
            value = shown;
        }
        char *name = mem_strndup(fact, length);
        table_add_cell(table, name);
        table_add_cell(table, value);
        free(name);
    }
    print_and_destroy(cli, table, false);
}

void output_object(const PGresult *result)
{
    const char *json = PQntuples(result) > 0 ? db_text(result, 0, "json") : NULL;
    (void)puts(json ? json : "null");
}
