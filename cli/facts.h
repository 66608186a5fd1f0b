// SPDX-License-Identifier: MIT
// Facts: all that is known about one thing, a line for each.
#ifndef CLI_FACTS_H
#define CLI_FACTS_H

#include "cli/cli.h"

// Rows of fact, value and kind: text, status (coloured), lines, ms (milliseconds, measured), limit (milliseconds, as somebody set them).
void facts_print(const Cli *cli, const PGresult *result);

// Runs a statement whose only parameter is the name of one thing; its rows are facts, its column json is the
// whole (the same in each row). No rows: says that there is no such `noun`, EXIT_CODE_FAILED.
int facts_show(Cli *cli, const SqlStatement *statement, const char *noun, const char *name);

// Lines after the first are indented to where the text began.
void facts_append_lines(StrBuf *out, const char *text, size_t indent);

#endif
