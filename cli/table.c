// SPDX-License-Identifier: MIT
// Table: rows of text laid out in aligned columns, cut to the width of the terminal. Pure.
#include "cli/table.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"

enum { TABLE_COLUMN_MAX = 32, TABLE_GAP = 2, TABLE_TEXT_LEAST = 8 };

#define COLOR_OFF    "\033[0m"
#define COLOR_HEADER "\033[2m"

typedef struct Column {
    char *header;
    ColumnKind kind;
} Column;

struct Table {
    Column columns[TABLE_COLUMN_MAX];
    size_t column_count;
    char **cells;
    size_t cell_count;
    size_t cell_capacity;
};

Table *table_create(void)
{
    return mem_alloc(sizeof(Table));
}

void table_add_column(Table *table, const char *header, ColumnKind kind)
{
    if (table->column_count == TABLE_COLUMN_MAX) {
        return;
    }
    StrBuf upper = {0};
    for (const char *c = header; *c != '\0'; c++) {
        char shown = *c == '_' ? ' ' : *c;
        strbuf_append_char(&upper,
                           shown >= 'a' && shown <= 'z' ? (char)(shown - 'a' + 'A') : shown);
    }
    table->columns[table->column_count++] = (Column){strbuf_take(&upper), kind};
}

static char *cell_text(ColumnKind kind, const char *text)
{
    char shown[TEXT_SHORT_BYTES];
    if (!text) {
        return mem_strdup("-");
    }
    if (kind == COLUMN_DURATION || kind == COLUMN_AGE) {
        char *end = NULL;
        errno = 0;
        long long ms = strtoll(text, &end, 10);
        if (errno == 0 && end != text && *end == '\0') {
            (kind == COLUMN_AGE ? text_age : text_duration)((int64_t)ms, shown, sizeof shown);
            return mem_strdup(shown);
        }
    }
    StrBuf safe = {0};
    text_append_safe(&safe, text, false);
    return strbuf_take(&safe);
}

void table_add_cell(Table *table, const char *text)
{
    if (table->column_count == 0) {
        return;
    }
    if (table->cell_count == table->cell_capacity) {
        table->cell_capacity = table->cell_capacity == 0 ? 256 : table->cell_capacity * 2;
        table->cells = mem_realloc(table->cells, sizeof *table->cells * table->cell_capacity);
    }
    ColumnKind kind = table->columns[table->cell_count % table->column_count].kind;
    table->cells[table->cell_count++] = cell_text(kind, text);
}

size_t table_row_count(const Table *table)
{
    return table->column_count == 0 ? 0 : table->cell_count / table->column_count;
}

const char *table_status_color(const char *status)
{
    static const char *const colors[][2] = {
        {"completed", "\033[32m"}, {"failed", "\033[31m"},  {"processing", "\033[36m"},
        {"cancelled", "\033[33m"}, {"waiting", "\033[35m"}, {"alive", "\033[32m"},
        {"running", "\033[36m"},   {"dead", "\033[31m"},    {"lost", "\033[31m"},
        {"ok", "\033[32m"},        {"WRONG", "\033[31m"},
    };
    size_t length = strcspn(status, " ");
    for (size_t i = 0; i < sizeof colors / sizeof colors[0]; i++) {
        if (strlen(colors[i][0]) == length && strncmp(colors[i][0], status, length) == 0) {
            return colors[i][1];
        }
    }
    return "";
}

static void fit_widths(const Table *table, size_t *widths, size_t limit)
{
    size_t total = TABLE_GAP * (table->column_count - 1);
    for (size_t i = 0; i < table->column_count; i++) {
        total += widths[i];
    }
    // The widest text column gives way first, so that short ones stay whole.
    while (total > limit) {
        size_t widest = table->column_count;
        for (size_t i = 0; i < table->column_count; i++) {
            bool may_shrink = table->columns[i].kind == COLUMN_TEXT && widths[i] > TABLE_TEXT_LEAST;
            if (may_shrink && (widest == table->column_count || widths[i] > widths[widest])) {
                widest = i;
            }
        }
        if (widest == table->column_count) {
            return;
        }
        widths[widest]--;
        total--;
    }
}

static bool is_right(ColumnKind kind)
{
    return kind == COLUMN_NUMBER || kind == COLUMN_DURATION || kind == COLUMN_AGE;
}

static void append_cell(const Table *table, const size_t *widths, size_t column, const char *text,
                        const char *color, StrBuf *out)
{
    bool is_last = column + 1 == table->column_count;
    StrBuf cut = {0};
    text_append_cut(&cut, text, widths[column]);
    const char *shown = cut.text ? cut.text : "";
    size_t used = text_width(shown);
    size_t padding = widths[column] > used ? widths[column] - used : 0;
    for (size_t i = 0; is_right(table->columns[column].kind) && i < padding; i++) {
        strbuf_append_char(out, ' ');
    }
    strbuf_append(out, color);
    strbuf_append(out, shown);
    strbuf_append(out, color[0] != '\0' ? COLOR_OFF : "");
    for (size_t i = 0; !is_right(table->columns[column].kind) && !is_last && i < padding; i++) {
        strbuf_append_char(out, ' ');
    }
    for (size_t i = 0; !is_last && i < TABLE_GAP; i++) {
        strbuf_append_char(out, ' ');
    }
    if (is_last) {
        // An empty last cell would leave the gap before it hanging.
        while (out->length > 0 && out->text[out->length - 1] == ' ') {
            out->text[--out->length] = '\0';
        }
        strbuf_append_char(out, '\n');
    }
    strbuf_free(&cut);
}

void table_render(const Table *table, size_t width, bool has_color, bool has_header, StrBuf *out)
{
    size_t widths[TABLE_COLUMN_MAX] = {0};
    if (table->column_count == 0) {
        return;
    }
    for (size_t i = 0; i < table->column_count && has_header; i++) {
        widths[i] = text_width(table->columns[i].header);
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->column_count;
        size_t needed = text_width(table->cells[i]);
        widths[column] = needed > widths[column] ? needed : widths[column];
    }
    if (width > 0) {
        fit_widths(table, widths, width);
    }
    for (size_t i = 0; i < table->column_count && has_header; i++) {
        append_cell(table, widths, i, table->columns[i].header, has_color ? COLOR_HEADER : "", out);
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->column_count;
        bool is_status = has_color && table->columns[column].kind == COLUMN_STATUS;
        append_cell(table, widths, column, table->cells[i],
                    is_status ? table_status_color(table->cells[i]) : "", out);
    }
}

void table_destroy(Table *table)
{
    if (!table) {
        return;
    }
    for (size_t i = 0; i < table->column_count; i++) {
        free(table->columns[i].header);
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
    free(table);
}
