// SPDX-License-Identifier: MIT
// Output: results of statements as a table, or as the JSON that PostgreSQL made.
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "cli/cli.h"

// Prints all rows. A column's name says how it is shown: *_age and *_ms hold milliseconds, *_note may go on
// in further lines, all_* is left out without --all, raw_* in any case, "status" is coloured, and the column "json" is
// what --json prints instead, one array element per row.
// `nothing` is said on stderr when there are no rows (table only).
void output_rows(const Cli *cli, const PGresult *result, const char *nothing);
// The same with a last column that the program makes; `note` returns text that it has allocated.
void output_rows_noted(const Cli *cli, const PGresult *result, const char *nothing,
                       const char *header, char *(*note)(const PGresult *result, int row));
// The columns "fact" and "value", without a heading; a fact that ends in _ms is shown as a duration.
void output_facts(const Cli *cli, const PGresult *result);
// Prints the column "json" of the first row as it is.
void output_object(const PGresult *result);

#endif
