// SPDX-License-Identifier: MIT
// Migrate script: all migrations as SQL for psql or another tool, which leaves what `migrate up` leaves.
#include "cli/migrate_script.h"

#include <stdlib.h>
#include <string.h>

#include "common/db/migrate.h"
#include "migration_files.h"
#include "sql_queries.h"

// The statements are the ones that `migrate up` runs, so that the two cannot come apart.
static void append_statement(StrBuf *out, const char *text)
{
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    strbuf_append_bytes(out, text, length);
    strbuf_append_char(out, '\n');
}

void migrate_script_bind(StrBuf *out, const char *statement, const char *const *values, int count)
{
    for (const char *c = statement; *c != '\0'; c++) {
        int place = *c == '$' && c[1] >= '1' && c[1] <= '9' ? c[1] - '1' : count;
        if (place < count) {
            strbuf_append(out, values[place]);
            c++;
        } else {
            strbuf_append_char(out, *c);
        }
    }
}

// The first line of the statement's file says what it is for, with the numbers of its parameters.
static const char *without_comments(const char *text)
{
    while (strncmp(text, "--", 2) == 0) {
        text += strcspn(text, "\n");
        text += *text == '\n' ? 1 : 0;
    }
    return text;
}

static void append_record(StrBuf *out, const MigrationFile *file, const char *sha256)
{
    // Names and checksums have no quote in them; how long the script ran nobody has measured.
    char *version = mem_printf("%d", file->version);
    char *name = mem_printf("'%s'", file->name);
    char *checksum = mem_printf("'%s'", sha256);
    const char *const values[] = {version, name, checksum, "0"};
    StrBuf bound = {0};
    migrate_script_bind(&bound, without_comments(SQL_migrate_insert.text), values, 4);
    append_statement(out, bound.text ? bound.text : "");
    strbuf_free(&bound);
    free(checksum);
    free(name);
    free(version);
}

void migrate_script_write(StrBuf *out)
{
    for (int i = 0; i < migrate_file_count(); i++) {
        const MigrationFile *file = migrate_file(i);
        strbuf_printf(out, "%s-- %s\nbegin;\n", i == 0 ? "" : "\n", file->name);
        if (i == 0) {
            append_statement(out, without_comments(SQL_migrate_create_schema.text));
            append_statement(out, without_comments(SQL_migrate_create_table.text));
        }
        append_statement(out, file->text);
        append_record(out, file, MIGRATION_SHA256[i]);
        strbuf_append(out, "commit;\n");
    }
}
