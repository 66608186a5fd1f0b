// SPDX-License-Identifier: MIT
// Help: the texts of `ganger help`, made from the option table.
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stddef.h>

#include "cli/option_table.h"

struct Cli;

// The overview (NULL) or the page of one command, no line longer than `width`.
void help_write(const CommandSpec *command, size_t width, StrBuf *out);
// Prints it to stdout; returns EXIT_CODE_OK.
int help_print(const struct Cli *cli, const CommandSpec *command);
// Lists the commands of a group: those that begin with this word. False: there are none.
bool help_print_group(const struct Cli *cli, const char *first);

#endif
