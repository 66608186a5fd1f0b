// SPDX-License-Identifier: MIT
// Files: the pages of the dashboard, read once at the start. Nothing else of the file system can be asked for.
#ifndef API_FILES_H
#define API_FILES_H

#include <stdbool.h>

#include "api/exchange.h"
#include "api/target.h"

typedef struct Files Files;

// `is_wanted` false (http.dashboard): there are none. Never NULL.
Files *files_create(bool is_wanted);
void files_destroy(Files *files);
// True: the exchange has been answered.
bool files_answer(const Files *files, Exchange *exchange, const Target *target);

#endif
