// SPDX-License-Identifier: MIT
// Top tables: the rows of the live view's panes, as far as they match the filter. Caller destroys them.
#ifndef CLI_TOP_TABLES_H
#define CLI_TOP_TABLES_H

#include "cli/table.h"
#include "cli/top_view.h"

Table *top_table_queues(const TopState *state, const TopData *data);
// Nodes with their workers below.
Table *top_table_workers(const TopState *state, const TopData *data);
Table *top_table_failures(const TopState *state, const TopData *data);

#endif
