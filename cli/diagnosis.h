// SPDX-License-Identifier: MIT
// Diagnosis: what `ganger doctor` finds out by itself: what the database cannot see.
#ifndef CLI_DIAGNOSIS_H
#define CLI_DIAGNOSIS_H

#include "cli/cli.h"
#include "common/db/db_array.h"

typedef struct Diagnosis {
    DbArray checks;
    DbArray severities; // ok, notice, warning, error
    DbArray subjects;
    DbArray findings;
    DbArray mends;
    bool is_schema_ours; // the schema has all that this program needs
} Diagnosis;

// Makes the checks over cli->db. EXIT_CODE_OK, or another with the reason said. Free it in any case.
int diagnosis_make(Diagnosis *self, Cli *cli);
void diagnosis_free(Diagnosis *self);

#endif
