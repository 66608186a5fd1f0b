// SPDX-License-Identifier: MIT
// Changes: what to say about things that were, or were not, changed.
#ifndef CLI_CHANGES_H
#define CLI_CHANGES_H

#include "cli/cli.h"

typedef struct ChangeWords {
    const char *noun;         // "job"
    bool is_named;            // a name is quoted, a number is not
    const char *done;         // "cancelled"
    const char *done_running; // when it was processing; NULL = the same
    const char *refused;      // "cannot be cancelled"; NULL: what `was` says is no failure
} ChangeWords;

// The arguments as the parameter text[] of a statement whose columns are id, done, was (before; null: there is no such
// thing), note_text (said besides; may be missing) and json. Says what became of each; EXIT_CODE_FAILED when one was not changed.
int changes_by_name(Cli *cli, const SqlStatement *statement, const ChangeWords *words);
// The same for a result that is at hand; clears it.
int changes_print(const Cli *cli, PGresult *result, const ChangeWords *words);

#endif
