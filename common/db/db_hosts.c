// SPDX-License-Identifier: MIT
// DbHosts: see the header.
#include "common/db/db_hosts.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

// What a list has at `at`: a new string, NULL when the list has no such element.
static char *element(const char *list, int at)
{
    for (; list != NULL && at > 0; at--) {
        list = strchr(list, ',');
        list = list != NULL ? list + 1 : NULL;
    }
    return list != NULL ? mem_strndup(list, strcspn(list, ",")) : NULL;
}

static int length_of(const char *list)
{
    int count = list != NULL && list[0] != '\0' ? 1 : 0;
    for (const char *at = list; count > 0 && (at = strchr(at, ',')) != NULL; at++) {
        count++;
    }
    return count;
}

// What the string says, else the variable (NULL = none).
static const char *given(const PQconninfoOption *options, const char *keyword, const char *variable)
{
    for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL;
         option++) {
        if (str_equal(option->keyword, keyword) && option->val != NULL && option->val[0] != '\0') {
            return option->val;
        }
    }
    return variable != NULL ? getenv(variable) : NULL;
}

static bool has_empty(const DbHost *host)
{
    return (host->host != NULL && host->host[0] == '\0') ||
           (host->hostaddr != NULL && host->hostaddr[0] == '\0');
}

// False when they do not go together.
static bool fill(DbHosts *hosts, const char *names, const char *addresses, const char *ports)
{
    int count = length_of(addresses) > 0 ? length_of(addresses) : length_of(names);
    int name_count = length_of(names);
    int port_count = length_of(ports);
    if (count < 2 || count > DB_HOST_MAX || (name_count != 0 && name_count != count) ||
        (port_count > 1 && port_count != count)) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        DbHost *host = &hosts->items[hosts->count++];
        host->host = element(names, i);
        host->hostaddr = length_of(addresses) > 0 ? element(addresses, i) : NULL;
        host->port = element(ports, port_count > 1 ? i : 0);
        if (host->port != NULL && host->port[0] == '\0') {
            free(host->port);
            host->port = mem_strdup("5432");
        }
        if (has_empty(host)) {
            return false;
        }
    }
    return true;
}

// Else it is the environment, or a plain database name.
static bool is_string(const char *url)
{
    return url != NULL && (strstr(url, "://") != NULL || strchr(url, '=') != NULL);
}

void db_hosts_read(DbHosts *hosts, const char *url)
{
    *hosts = (DbHosts){.count = 0};
    PQconninfoOption *options = is_string(url) ? PQconninfoParse(url, NULL) : NULL;
    bool is_known =
        given(options, "service", "PGSERVICE") == NULL &&
        fill(hosts, given(options, "host", "PGHOST"), given(options, "hostaddr", "PGHOSTADDR"),
             given(options, "port", "PGPORT"));
    PQconninfoFree(options);
    if (!is_known) {
        db_hosts_free(hosts);
    }
}

void db_hosts_free(DbHosts *hosts)
{
    for (int i = 0; i < hosts->count; i++) {
        free(hosts->items[i].host);
        free(hosts->items[i].hostaddr);
        free(hosts->items[i].port);
    }
    *hosts = (DbHosts){.count = 0};
}

// As libpq reads it: blanks around the number do not matter, and nothing is the usual port.
static bool is_port(const char *text)
{
    char *end = NULL;
    if (text[0] == '\0') {
        return true;
    }
    errno = 0;
    long port = strtol(text, &end, 10);
    return end != text && errno == 0 && end[strspn(end, " \t\n\v\f\r")] == '\0' && port >= 1 &&
           port <= 65535;
}

static const char *ports_problem(const char *ports, const char *hosts)
{
    int count = length_of(ports);
    for (int i = 0; i < count; i++) {
        char *port = element(ports, i);
        bool is_fine = is_port(port);
        free(port);
        if (!is_fine) {
            return "the connection string is malformed: a port is no number from 1 to 65535";
        }
    }
    if (count > 1 && hosts != NULL && count != length_of(hosts)) {
        return "the connection string is malformed: it has not as many ports as hosts";
    }
    return NULL;
}

const char *db_hosts_problem(const char *url)
{
    if (!is_string(url)) {
        return NULL;
    }
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    if (options == NULL) {
        return "the connection string is malformed";
    }
    const char *addresses = given(options, "hostaddr", NULL);
    const char *problem = ports_problem(
        given(options, "port", NULL), addresses != NULL ? addresses : given(options, "host", NULL));
    PQconninfoFree(options);
    return problem;
}
