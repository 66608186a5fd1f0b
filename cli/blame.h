// SPDX-License-Identifier: MIT
// Blame: which option a value came from that PostgreSQL has refused. Pure.
#ifndef CLI_BLAME_H
#define CLI_BLAME_H

#include "cli/option_table.h"

// `sqlstate` and `message` are those of the error. OPT_COUNT: no option can be named.
OptionId blame_option(const CommandLine *line, const char *sqlstate, const char *message);
// True when the error speaks about a value of ours (class 22), not about the database.
bool blame_is_value(const char *sqlstate);

#endif
