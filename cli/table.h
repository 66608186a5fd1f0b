// SPDX-License-Identifier: MIT
// Table: rows of text laid out in aligned columns, fitted to the width of the terminal. Pure.
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/memory.h"

typedef enum ColumnKind {
    COLUMN_TEXT,     // left, may be cut
    COLUMN_NUMBER,   // right
    COLUMN_STATUS,   // left, coloured by its first word
    COLUMN_DURATION, // milliseconds, shown as 1.2s; negative = "in 3m", the time until something
    COLUMN_AGE,      // milliseconds, shown as "3m ago"; negative = "in 3m"
    COLUMN_NOTE      // the last one: left, never cut; goes on in further lines, or below its row
} ColumnKind;

typedef struct ColumnSpec {
    const char *header;
    ColumnKind kind;
} ColumnSpec;

typedef struct Table Table;

Table *table_create(void);
void table_add_column(Table *table, const char *header, ColumnKind kind);
void table_add_columns(Table *table, const ColumnSpec *columns, size_t count);
#define TABLE_ADD_COLUMNS(table, columns)                                                          \
    table_add_columns((table), (columns), sizeof(columns) / sizeof((columns)[0]))
// Cells are added row by row, left to right; NULL shows as "-". The text is copied and made harmless.
void table_add_cell(Table *table, const char *text);
void table_add_integer(Table *table, int64_t value);
size_t table_row_count(const Table *table);
// Lays the rows out; `width` 0 = no limit. Without `has_header` only the rows.
void table_render(const Table *table, size_t width, bool has_color, bool has_header, StrBuf *out);
void table_destroy(Table *table);

// The SGR sequence for a status, "" when it has none.
const char *table_status_color(const char *status);

#endif
