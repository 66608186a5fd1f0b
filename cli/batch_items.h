// SPDX-License-Identifier: MIT
// Batch items: the payloads of a batch, from a file.
#ifndef CLI_BATCH_ITEMS_H
#define CLI_BATCH_ITEMS_H

#include "common/base/memory.h"

// A JSON array as text, of a file ("-": standard input) that is one or has a JSON value in each line. Caller
// frees. NULL: said why.
char *batch_items_read(const char *path, int *exit_code);

// Pure: the same for text. NULL: `why` says what is wrong with it.
char *batch_items_parse(const char *text, StrBuf *why);

#endif
