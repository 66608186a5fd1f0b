// SPDX-License-Identifier: MIT
// Migrations: the embedded files, applied in order, each in one transaction under an advisory lock.
#ifndef COMMON_DB_MIGRATE_H
#define COMMON_DB_MIGRATE_H

#include "common/db/db.h"
#include "common/db/migration_file.h"

typedef enum MigrationState {
    MIGRATION_PENDING,
    MIGRATION_APPLIED,
    MIGRATION_CHANGED
} MigrationState;

typedef struct MigrationStatus {
    const MigrationFile *file; // NULL: the database has a version this program does not know
    int version;
    MigrationState state;
    char applied_at[40];
} MigrationStatus;

int migrate_file_count(void);
const MigrationFile *migrate_file(int index);
// Version this program needs: the number of its last file.
int migrate_wanted_version(void);

// Tests put files of their own in the place of the embedded ones; borrowed, in order of version.
void migrate_use_files(const MigrationFile *own_files, int count);

// Applies what is missing. *applied counts. STATUS_REFUSED: checksum differs or schema newer (reason logged
// and in `why`); STATUS_FATAL: a migration failed, nothing of it remains, `why` has file:line and message.
MUST_CHECK Status migrate_up(Db *db, int *applied, StrBuf *why);

// One row per known or applied migration, in order; *out allocated (caller frees), *count rows.
MUST_CHECK Status migrate_status(Db *db, MigrationStatus **out, int *count);

// STATUS_OK when the schema is exactly what this program was built for; STATUS_REFUSED otherwise, `why` says
// what to do ("schema is at 3, this program needs 7: run 'ganger migrate up'").
MUST_CHECK Status migrate_check(Db *db, StrBuf *why);

// For a node that runs: a newer schema is no objection (the log says so once), as it keeps what older programs use.
MUST_CHECK Status migrate_check_running(Db *db, StrBuf *why);

#endif
