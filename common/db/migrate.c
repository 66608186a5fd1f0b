// SPDX-License-Identifier: MIT
// Migrations: the embedded files, applied in order, each in one transaction under an advisory lock.
#include "common/db/migrate.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/db/db_array.h"
#include "common/db/sql_text.h"
#include "migration_files.h"
#include "sql_queries.h"

enum { MIGRATE_TIMEOUT_MS = 3600 * 1000 }; // a big table is rewritten, or another migrator does it

// While a migration waits for a lock on a table, everybody else queues behind it; while it waits for
// another migrator, nobody does.
static const char MIGRATE_LOCK_TIMEOUT[] = "10s";
static const char MIGRATE_LOCK_FOR_EVER[] = "0";

// What the database says, beside what this program brings.
typedef struct Applied {
    PGresult *rows;      // of migrate_list; NULL when nothing was ever applied
    PGresult *checksums; // of the files of this program
} Applied;

static const MigrationFile *files;
static int file_count;

static Status read_applied(Db *db, Applied *applied);
static void free_applied(Applied *applied);
static Status judge(const Applied *applied, StrBuf *why);
static Status apply_file(Db *db, int index, bool *was_applied, StrBuf *why);

// Tests put their own files in the place of the embedded ones.
void migrate_use_files(const MigrationFile *own_files, int count)
{
    files = own_files;
    file_count = count;
}

static void use_embedded(void)
{
    if (files == NULL) {
        migrate_use_files(MIGRATION_FILES, MIGRATION_FILE_COUNT);
    }
}

int migrate_file_count(void)
{
    use_embedded();
    return file_count;
}

const MigrationFile *migrate_file(int index)
{
    use_embedded();
    return index < 0 || index >= file_count ? NULL : &files[index];
}

int migrate_wanted_version(void)
{
    int count = migrate_file_count();
    return count == 0 ? 0 : files[count - 1].version;
}

static int applied_count(const Applied *applied)
{
    return applied->rows == NULL ? 0 : PQntuples(applied->rows);
}

static int applied_version(const Applied *applied, int row)
{
    return (int)db_int(applied->rows, row, "version", 0);
}

// Row of `version` among the applied, or -1.
static int find_applied(const Applied *applied, int version)
{
    for (int row = 0; row < applied_count(applied); row++) {
        if (applied_version(applied, row) == version) {
            return row;
        }
    }
    return -1;
}

static const MigrationFile *find_file(int version)
{
    for (int i = 0; i < migrate_file_count(); i++) {
        if (files[i].version == version) {
            return &files[i];
        }
    }
    return NULL;
}

static const char *own_checksum(const Applied *applied, int index)
{
    return db_text(applied->checksums, index, "sha256");
}

static MigrationState file_state(const Applied *applied, int index)
{
    int row = find_applied(applied, files[index].version);
    if (row < 0) {
        return MIGRATION_PENDING;
    }
    const char *then = db_text(applied->rows, row, "sha256");
    const char *now = own_checksum(applied, index);
    return then != NULL && now != NULL && str_equal(then, now) ? MIGRATION_APPLIED
                                                               : MIGRATION_CHANGED;
}

static Status read_checksums(Db *db, PGresult **out)
{
    DbArray texts;
    db_array_begin(&texts, DB_ELEMENT_TEXT);
    for (int i = 0; i < migrate_file_count(); i++) {
        db_array_add_text(&texts, files[i].text);
    }
    DbParams params;
    db_params_init(&params);
    db_param_array(&params, &texts);
    Status status = db_exec(db, &SQL_migrate_checksum, &params, DB_STATEMENT_TIMEOUT_MS, out);
    db_array_free(&texts);
    return status;
}

static Status read_applied(Db *db, Applied *applied)
{
    *applied = (Applied){0};
    PGresult *begun = NULL;
    TRY(db_exec(db, &SQL_migrate_is_begun, NULL, DB_STATEMENT_TIMEOUT_MS, &begun));
    bool is_begun = db_bool(begun, 0, "is_begun");
    PQclear(begun);
    if (is_begun) {
        TRY(db_exec(db, &SQL_migrate_list, NULL, DB_STATEMENT_TIMEOUT_MS, &applied->rows));
    }
    Status status = read_checksums(db, &applied->checksums);
    if (status != STATUS_OK) {
        free_applied(applied);
    }
    return status;
}

static void free_applied(Applied *applied)
{
    PQclear(applied->rows);
    PQclear(applied->checksums);
    *applied = (Applied){0};
}

// Is there a migration applied that comes after all this program knows?
static bool is_newer(const Applied *applied)
{
    int rows = applied_count(applied);
    return rows > 0 && applied_version(applied, rows - 1) > migrate_wanted_version();
}

// May this program work on this schema at all? Missing migrations are no objection here.
static Status judge(const Applied *applied, StrBuf *why)
{
    int last = 0;
    for (int row = 0; row < applied_count(applied); row++) {
        last = applied_version(applied, row);
        if (find_file(last) == NULL) {
            strbuf_printf(
                why,
                "the schema is at %d, this program knows it up to %d: install the program "
                "that made it, or a newer one",
                applied_version(applied, applied_count(applied) - 1), migrate_wanted_version());
            return STATUS_REFUSED;
        }
    }
    for (int i = 0; i < migrate_file_count(); i++) {
        const MigrationFile *file = &files[i];
        MigrationState state = file_state(applied, i);
        if (state == MIGRATION_CHANGED) {
            strbuf_printf(
                why,
                "%s.sql is not the text that was applied to this database: build with the "
                "original file, and put the change into a new migration",
                file->name);
            return STATUS_REFUSED;
        }
        if (state == MIGRATION_PENDING && file->version < last) {
            strbuf_printf(why,
                          "%s.sql is missing in this database although %d is applied: give it a "
                          "number above %d",
                          file->name, last, last);
            return STATUS_REFUSED;
        }
    }
    return STATUS_OK;
}

static Status refuse(StrBuf *why)
{
    log_error("migrate.refused", "reason=\"%s\"", why->text);
    return STATUS_REFUSED;
}

Status migrate_up(Db *db, int *applied, StrBuf *why)
{
    *applied = 0;
    Applied before;
    Status status = read_applied(db, &before);
    if (status != STATUS_OK) {
        strbuf_append(why, db_error_message(db));
        return status;
    }
    status = judge(&before, why);
    for (int i = 0; status == STATUS_OK && i < migrate_file_count(); i++) {
        bool was_applied = file_state(&before, i) == MIGRATION_APPLIED;
        if (!was_applied) {
            status = apply_file(db, i, &was_applied, why);
            *applied += status == STATUS_OK && !was_applied ? 1 : 0;
        }
    }
    free_applied(&before);
    return status == STATUS_REFUSED ? refuse(why) : status;
}

static Status set_lock_timeout(Db *db, const char *duration)
{
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, duration);
    return db_exec(db, &SQL_migrate_lock_timeout, &params, DB_STATEMENT_TIMEOUT_MS, NULL);
}

static Status insert_row(Db *db, const MigrationFile *file, const char *checksum,
                         int64_t duration_ms)
{
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, file->version);
    db_param_text(&params, file->name);
    db_param_text(&params, checksum);
    db_param_int(&params, duration_ms);
    return db_exec(db, &SQL_migrate_insert, &params, DB_STATEMENT_TIMEOUT_MS, NULL);
}

// Where in the file: PostgreSQL names a place for errors it finds while reading a statement; for others,
// the statement that did not complete any more is looked up.
static Status explain_failure(Db *db, const MigrationFile *file, bool is_script, StrBuf *why)
{
    int line = 0;
    if (is_script && db_error_position(db) > 0) {
        line = sql_text_line_of(file->text, db_error_position(db));
    } else if (is_script) {
        line = sql_text_statement_line(file->text, db_script_statements_done(db));
    }
    strbuf_printf(why, "%s.sql:%d: %s %s", file->name, line, db_sqlstate(db), db_error_message(db));
    if (db_error_detail(db)[0] != '\0') {
        strbuf_printf(why, " (%s)", db_error_detail(db));
    }
    return db_is_lost(db) ? STATUS_LOST : STATUS_FATAL;
}

static Status create_table(Db *db)
{
    TRY(db_exec(db, &SQL_migrate_create_schema, NULL, DB_STATEMENT_TIMEOUT_MS, NULL));
    return db_exec(db, &SQL_migrate_create_table, NULL, DB_STATEMENT_TIMEOUT_MS, NULL);
}

static Status run_file(Db *db, int index, const Applied *now, StrBuf *why)
{
    const MigrationFile *file = &files[index];
    const char *checksum = own_checksum(now, index);
    int64_t began_at = clock_boot_ms();
    if (set_lock_timeout(db, MIGRATE_LOCK_TIMEOUT) != STATUS_OK ||
        (now->rows == NULL && create_table(db) != STATUS_OK)) {
        return explain_failure(db, file, false, why);
    }
    if (db_exec_script(db, file->text, MIGRATE_TIMEOUT_MS) != STATUS_OK) {
        return explain_failure(db, file, true, why);
    }
    if (PQtransactionStatus(db_conn(db)) != PQTRANS_INTRANS) {
        strbuf_printf(why, "%s.sql must not end its own transaction", file->name);
        return STATUS_FATAL;
    }
    int64_t duration_ms = clock_boot_ms() - began_at;
    if (insert_row(db, file, checksum, duration_ms) != STATUS_OK || db_commit(db) != STATUS_OK) {
        return explain_failure(db, file, false, why);
    }
    log_info("migrate.applied", "name=%s duration_ms=%lld", file->name, (long long)duration_ms);
    return STATUS_OK;
}

// Under the lock the database is asked again: another migrator may have been faster.
static Status apply_locked(Db *db, int index, bool *was_applied, StrBuf *why)
{
    if (set_lock_timeout(db, MIGRATE_LOCK_FOR_EVER) != STATUS_OK ||
        db_exec(db, &SQL_migrate_lock, NULL, MIGRATE_TIMEOUT_MS, NULL) != STATUS_OK) {
        return explain_failure(db, &files[index], false, why);
    }
    Applied now;
    if (read_applied(db, &now) != STATUS_OK) {
        return explain_failure(db, &files[index], false, why);
    }
    Status status = judge(&now, why);
    *was_applied = status == STATUS_OK && file_state(&now, index) == MIGRATION_APPLIED;
    if (status == STATUS_OK && !*was_applied) {
        status = run_file(db, index, &now, why);
    }
    free_applied(&now);
    return status;
}

static Status apply_file(Db *db, int index, bool *was_applied, StrBuf *why)
{
    *was_applied = false;
    if (db_begin(db) != STATUS_OK) {
        return explain_failure(db, &files[index], false, why);
    }
    Status status = apply_locked(db, index, was_applied, why);
    if (!db_is_lost(db) && PQtransactionStatus(db_conn(db)) != PQTRANS_IDLE &&
        db_rollback(db) != STATUS_OK) {
        status = STATUS_LOST;
    }
    if (status == STATUS_FATAL) {
        log_error("migrate.failed", "reason=\"%s\"", why->text);
    }
    return status;
}

static void fill_status(MigrationStatus *status, const Applied *applied, int version)
{
    const MigrationFile *file = find_file(version);
    int row = find_applied(applied, version);
    *status = (MigrationStatus){.file = file, .version = version, .state = MIGRATION_APPLIED};
    if (file != NULL) {
        status->state = file_state(applied, (int)(file - files));
    }
    const char *at = row < 0 ? NULL : db_text(applied->rows, row, "applied_at");
    if (!str_copy(status->applied_at, sizeof status->applied_at, at == NULL ? "" : at)) {
        status->applied_at[0] = '\0';
    }
}

// Both lists are in order: a merge.
Status migrate_status(Db *db, MigrationStatus **out, int *count)
{
    *out = NULL;
    *count = 0;
    Applied applied;
    TRY(read_applied(db, &applied));
    int rows = applied_count(&applied);
    int known = migrate_file_count();
    MigrationStatus *list = mem_alloc(sizeof *list * (size_t)(rows + known + 1));
    int row = 0;
    int file = 0;
    while (row < rows || file < known) {
        int of_row = row < rows ? applied_version(&applied, row) : INT32_MAX;
        int of_file = file < known ? files[file].version : INT32_MAX;
        fill_status(&list[(*count)++], &applied, of_row < of_file ? of_row : of_file);
        row += of_row <= of_file ? 1 : 0;
        file += of_file <= of_row ? 1 : 0;
    }
    free_applied(&applied);
    *out = list;
    return STATUS_OK;
}

static Status check(Db *db, bool may_be_newer, StrBuf *why)
{
    Applied applied;
    Status status = read_applied(db, &applied);
    if (status != STATUS_OK) {
        strbuf_append(why, db_error_message(db));
        return status;
    }
    status = judge(&applied, why);
    int rows = applied_count(&applied);
    int version = rows == 0 ? 0 : applied_version(&applied, rows - 1);
    if (status == STATUS_REFUSED && may_be_newer && is_newer(&applied)) {
        static bool is_told;
        if (!is_told) {
            log_warn("schema.newer",
                     "reason=\"%s\" effect=\"this node goes on until it is restarted\"", why->text);
        }
        is_told = true;
        status = STATUS_OK;
    } else if (status == STATUS_OK && rows == 0) {
        strbuf_append(why, "this database has no ganger schema: run 'ganger migrate up'");
        status = STATUS_REFUSED;
    } else if (status == STATUS_OK && version < migrate_wanted_version()) {
        strbuf_printf(why, "schema is at %d, this program needs %d: run 'ganger migrate up'",
                      version, migrate_wanted_version());
        status = STATUS_REFUSED;
    }
    free_applied(&applied);
    return status;
}

Status migrate_check(Db *db, StrBuf *why)
{
    return check(db, false, why);
}

Status migrate_check_running(Db *db, StrBuf *why)
{
    return check(db, true, why);
}
