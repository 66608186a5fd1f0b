// SPDX-License-Identifier: MIT
// Help: the texts of `ganger help`, made from the option table.
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/option_table.h"

// The overview (NULL) or the page of one command.
void help_write(const CommandSpec *command, StrBuf *out);
// Prints it to stdout; returns EXIT_CODE_OK.
int help_print(const CommandSpec *command);

#endif
