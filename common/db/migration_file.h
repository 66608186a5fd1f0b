// SPDX-License-Identifier: MIT
// One embedded migration, generated from migrations/NNNN_name.sql.
#ifndef COMMON_DB_MIGRATION_FILE_H
#define COMMON_DB_MIGRATION_FILE_H

#include <stddef.h>

typedef struct MigrationFile {
    int version;
    const char *name;
    const char *text;
    size_t length;
} MigrationFile;

#endif
