// SPDX-License-Identifier: MIT
// SQLSTATE -> Status, in one table.
#ifndef COMMON_DB_DB_ERROR_H
#define COMMON_DB_DB_ERROR_H

#include "common/base/status.h"

// 08, 57P0x, 25006 lost; 40001, 40P01, 55P03, 53 retry; 22, 23, 42501, 0A, P0 refused; 42, 3F fatal.
Status db_error_status(const char *sqlstate);

#endif
