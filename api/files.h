// SPDX-License-Identifier: MIT
// Files: the pages of the dashboard and the API's description (/api/openapi.yaml), read once at the start. Nothing else of the file system can be asked for.
#ifndef API_FILES_H
#define API_FILES_H

#include <stdbool.h>

#include "api/exchange.h"
#include "api/target.h"

typedef struct Files Files;

// `has_dashboard` false (http.dashboard): there are no pages. The description is there always. Never NULL.
Files *files_create(bool has_dashboard);
void files_destroy(Files *files);
// True: the exchange has been answered.
bool files_answer(const Files *files, Exchange *exchange, const Target *target);

#endif
