// SPDX-License-Identifier: MIT
// Job options: how a job is to run, as JSON with the names of ganger.enqueue's parameters.
#ifndef CLI_JOB_OPTIONS_H
#define CLI_JOB_OPTIONS_H

#include "cli/cli.h"

// Those of `options` that were given, as an object; caller frees. NULL: *exit_code is set and the reason was said.
// An --expires-at that is a duration is not among them, but in *expires_in_ms (else -1).
char *job_options_json(const Cli *cli, OptionSet options, int64_t *expires_in_ms, int *exit_code);

// The limits that were given, named by their options; `none` is null. The same contract.
char *limit_options_json(const Cli *cli, OptionSet options, int *exit_code);

#endif
