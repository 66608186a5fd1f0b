// SPDX-License-Identifier: MIT
// Postgres: the private server of `ganger dev` as a supervised child.
#ifndef SUPERVISOR_POSTGRES_H
#define SUPERVISOR_POSTGRES_H

#include "supervisor/supervisor.h"

// The server's command line; postgres_argv_free.
char **postgres_argv(const PostgresOptions *options);
void postgres_argv_free(char **argv);
// True when there is no private server, or it takes connections, or has been waited for long enough.
bool postgres_is_ready(Supervisor *self, int64_t now);

#endif
