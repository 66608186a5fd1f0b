// SPDX-License-Identifier: MIT
// DbHosts: the servers a connection string names, so that each is tried with a part of the time.
//
// libpq goes to the next host only when one has refused: a host that is silent (its machine is dead) would take all of it.
#ifndef COMMON_DB_DB_HOSTS_H
#define COMMON_DB_DB_HOSTS_H

#include <stdbool.h>

enum { DB_HOST_MAX = 16 };

typedef struct DbHost { // as libpq names them; NULL = not given
    char *host;
    char *hostaddr;
    char *port;
} DbHost;

typedef struct DbHosts {
    int count;
    DbHost items[DB_HOST_MAX];
} DbHosts;

// The hosts of `url` (NULL = libpq's environment). With fewer than two, and where libpq had better say itself what is wrong or
// where they are (numbers that do not match, a service), count is 0. Freed by db_hosts_free.
void db_hosts_read(DbHosts *hosts, const char *url);
void db_hosts_free(DbHosts *hosts);

// What is wrong with a connection string whatever servers are there, NULL = nothing. Never quotes it: a password may stand where
// anything else should (the port of postgresql://user:secret/x).
const char *db_hosts_problem(const char *url);

#endif
