// SPDX-License-Identifier: MIT
// Cron check: finds slips in a cron expression without the database, which alone knows the whole dialect.
#ifndef COMMON_BASE_CRON_CHECK_H
#define COMMON_BASE_CRON_CHECK_H

#include <stdbool.h>

#include "common/base/memory.h"

// False when PostgreSQL would refuse it for certain: the number of fields, a character or word that no field has, a number out of
// its field's range. `why` says so.
bool cron_check(const char *text, StrBuf *why);

#endif
