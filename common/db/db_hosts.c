// SPDX-License-Identifier: MIT
// DbHosts: see the header.
#include "common/db/db_hosts.h"

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

static const char *given(const PQconninfoOption *options, const char *keyword, const char *variable)
{
    for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL;
         option++) {
        if (str_equal(option->keyword, keyword) && option->val != NULL && option->val[0] != '\0') {
            return option->val;
        }
    }
    return getenv(variable);
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

void db_hosts_read(DbHosts *hosts, const char *url)
{
    *hosts = (DbHosts){.count = 0};
    PQconninfoOption *options = NULL;
    if (url != NULL && (strstr(url, "://") != NULL || strchr(url, '=') != NULL)) {
        options = PQconninfoParse(url, NULL);
    }
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
