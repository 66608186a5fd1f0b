// SPDX-License-Identifier: MIT
// SQLSTATE -> Status, in one table.
#include "common/db/db_error.h"

#include <stddef.h>
#include <string.h>

typedef struct ErrorRule {
    const char *prefix;
    Status status;
} ErrorRule;

// The first prefix that fits decides, so a single code stands before its class.
static const ErrorRule ERROR_RULES[] = {
    {"08", STATUS_LOST},       // connection exception
    {"57P0", STATUS_LOST},     // shutdown, crash of another backend, starting up, idle session
    {"25006", STATUS_LOST},    // read-only: this server is no longer the primary
    {"25P03", STATUS_LOST},    // idle in transaction for too long: the session is closed
    {"40", STATUS_RETRY},      // serialisation failure, deadlock
    {"55P03", STATUS_RETRY},   // lock_timeout
    {"55006", STATUS_RETRY},   // object in use
    {"53", STATUS_RETRY},      // out of memory, disk, connections
    {"57014", STATUS_RETRY},   // cancelled: our deadline, or an operator
    {"58", STATUS_RETRY},      // system error outside PostgreSQL
    {"26", STATUS_RETRY},      // prepared statement gone (DISCARD ALL): prepared anew next time
    {"XX", STATUS_RETRY},      // internal error, e.g. "tuple concurrently updated"
    {"42501", STATUS_REFUSED}, // permission
    {"42704", STATUS_REFUSED}, // unknown queue, job, token: the API says it with this code
    {"42", STATUS_FATAL},      // our statement does not fit the schema
    {"3F", STATUS_FATAL},      // no schema
    {"3D", STATUS_FATAL},      // no database
};

Status db_error_status(const char *sqlstate)
{
    if (sqlstate == NULL || sqlstate[0] == '\0') {
        return STATUS_LOST; // the error did not come from the server
    }
    for (size_t i = 0; i < sizeof ERROR_RULES / sizeof ERROR_RULES[0]; i++) {
        const char *prefix = ERROR_RULES[i].prefix;
        if (strncmp(sqlstate, prefix, strlen(prefix)) == 0) {
            return ERROR_RULES[i].status;
        }
    }
    return STATUS_REFUSED; // 22, 23, 0A, P0 and whatever else speaks about our input
}
