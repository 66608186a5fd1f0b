// SPDX-License-Identifier: MIT
// Diagnosis: see the header.
#include "cli/diagnosis.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/exit_code.h"
#include "common/db/migrate.h"
#include "sql_queries.h"

enum {
    CLOCK_LIMIT_US = 2000000,
    CLOCK_TRIES = 3,
    CLOCK_TIMEOUT_MS = 5000,
    MICROS_PER_MILLI = 1000
};

static void add(Diagnosis *self, const char *check, const char *severity, const char *subject,
                const char *finding, const char *mend)
{
    db_array_add_text(&self->checks, check);
    db_array_add_text(&self->severities, severity);
    db_array_add_text(&self->subjects, subject);
    db_array_add_text(&self->findings, finding);
    db_array_add_text(&self->mends, mend);
}

// Of those that are to come one finding tells; the others are each somebody's doing.
static void add_migration(Diagnosis *self, const MigrationStatus *row)
{
    char *subject = row->file ? mem_printf("migration %s", row->file->name)
                              : mem_printf("migration %d", row->version);
    if (!row->file) {
        add(self, "program", "warning", subject, "it was applied by a newer program than this one",
            "install the newer version here, too");
    } else {
        add(self, "program", "error", subject,
            "another file of this name was applied: it belongs to another version",
            "use the programs of the version that made this schema, or a new database");
    }
    free(subject);
}

static int check_program(Diagnosis *self, Cli *cli)
{
    MigrationStatus *rows = NULL;
    int count = 0;
    int pending = 0;
    int odd = 0;
    Status status = migrate_status(cli->db, &rows, &count);
    if (status != STATUS_OK) {
        return cli_fail_statement(cli, status);
    }
    for (int i = 0; i < count; i++) {
        if (rows[i].file && rows[i].state == MIGRATION_PENDING) {
            pending++;
        } else if (!rows[i].file || rows[i].state == MIGRATION_CHANGED) {
            add_migration(self, &rows[i]);
            odd++;
        }
    }
    free(rows);
    self->is_schema_ours = pending == 0;
    if (pending > 0) {
        char *finding = mem_printf("%d of %d migrations have not been applied", pending, count);
        add(self, "program", "error", "schema", finding, "ganger migrate up");
        free(finding);
    } else if (odd == 0) {
        add(self, "program", "ok", NULL, "the schema is the one of this program", NULL);
    }
    return EXIT_CODE_OK;
}

// The quickest answer of three tells most; what its way took may all have been on one side.
static int check_clock(Diagnosis *self, Cli *cli)
{
    int64_t best_us = INT64_MAX;
    int64_t offset_us = 0;
    for (int i = 0; i < CLOCK_TRIES; i++) {
        DbParams params;
        PGresult *result = NULL;
        db_params_init(&params);
        int64_t asked_us = clock_wall_us();
        Status status = db_exec(cli->db, &SQL_server_clock, &params, CLOCK_TIMEOUT_MS, &result);
        int64_t told_us = clock_wall_us();
        if (status != STATUS_OK) {
            return cli_fail_statement(cli, status);
        }
        if (told_us >= asked_us && told_us - asked_us < best_us) {
            best_us = told_us - asked_us;
            offset_us = asked_us + best_us / 2 - db_int(result, 0, "clock_us", 0);
        }
        PQclear(result);
    }
    if (llabs(offset_us) <= CLOCK_LIMIT_US + best_us / 2) {
        add(self, "clock_here", "ok", NULL, "this machine's clock is within 2 s of the database's",
            NULL);
        return EXIT_CODE_OK;
    }
    char *finding =
        mem_printf("its clock is %lld ms %s that of the database",
                   llabs(offset_us) / MICROS_PER_MILLI, offset_us > 0 ? "before" : "behind");
    add(self, "clock_here", "warning", "this machine", finding,
        "let it and the database's machine keep time (chrony, systemd-timesyncd)");
    free(finding);
    return EXIT_CODE_OK;
}

static void check_pooler(Diagnosis *self, const Cli *cli)
{
    const char *lacking = db_lacking_settings(cli->db);
    if (!db_is_pooled(cli->db)) {
        add(self, "pooler_here", "ok", NULL, "the connection is a direct one", NULL);
    } else if (lacking[0] == '\0') {
        add(self, "pooler_here", "notice", "this connection",
            "a pooler stands between: the settings of its sessions are all there", "nothing to do");
    } else {
        char *finding = mem_printf("a pooler stands between, and its sessions lack %s", lacking);
        char *mend = mem_printf("alter role \"%s\" set each of them, then RECONNECT in the pooler",
                                PQuser(db_conn(cli->db)));
        add(self, "pooler_here", "warning", "this connection", finding, mend);
        free(mend);
        free(finding);
    }
}

int diagnosis_make(Diagnosis *self, Cli *cli)
{
    DbArray *const lists[] = {&self->checks, &self->severities, &self->subjects, &self->findings,
                              &self->mends};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        db_array_begin(lists[i], DB_ELEMENT_TEXT);
    }
    int exit_code = check_program(self, cli);
    if (exit_code == EXIT_CODE_OK) {
        exit_code = check_clock(self, cli);
    }
    if (exit_code == EXIT_CODE_OK) {
        check_pooler(self, cli);
    }
    return exit_code;
}

void diagnosis_free(Diagnosis *self)
{
    db_array_free(&self->checks);
    db_array_free(&self->severities);
    db_array_free(&self->subjects);
    db_array_free(&self->findings);
    db_array_free(&self->mends);
}
