// SPDX-License-Identifier: MIT
// Table: rows of text laid out in aligned columns, fitted to the width of the terminal. Pure.
#include "cli/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"

enum {
    TABLE_COLUMN_MAX = 32,
    TABLE_GAP = 2,
    TABLE_TEXT_LEAST = 6,
    TABLE_NOTE_LEAST = 32 // a note with less room than this stands below its row
};

#define COLOR_OFF    "\033[0m"
#define COLOR_HEADER "\033[2m"

typedef struct Column {
    char *header;
    ColumnKind kind;
} Column;

// How the rows are laid out for one width.
typedef struct Layout {
    size_t widths[TABLE_COLUMN_MAX];
    size_t count;       // columns that stand in the row
    bool has_note;      // the note is none of them
    bool is_note_below; // on lines of its own
    size_t note_indent;
    size_t note_width; // 0 = no limit
} Layout;

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

void table_add_columns(Table *table, const ColumnSpec *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        table_add_column(table, columns[i].header, columns[i].kind);
    }
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
            bool is_age = kind == COLUMN_AGE || ms < 0;
            (is_age ? text_age : text_duration)((int64_t)ms, shown, sizeof shown);
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

void table_add_integer(Table *table, int64_t value)
{
    char *text = mem_printf("%" PRId64, value);
    table_add_cell(table, text);
    free(text);
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
        {"paused", "\033[33m"},    {"ok", "\033[32m"},      {"WRONG", "\033[31m"},
        {"error", "\033[31m"},     {"warning", "\033[33m"}, {"notice", "\033[36m"},
    };
    size_t length = strcspn(status, " ");
    for (size_t i = 0; i < sizeof colors / sizeof colors[0]; i++) {
        if (strlen(colors[i][0]) == length && strncmp(colors[i][0], status, length) == 0) {
            return colors[i][1];
        }
    }
    return "";
}

static size_t total_width(const Layout *layout)
{
    size_t total = layout->count > 0 ? TABLE_GAP * (layout->count - 1) : 0;
    for (size_t i = 0; i < layout->count; i++) {
        total += layout->widths[i];
    }
    return total;
}

static void fit_widths(const Table *table, Layout *layout, size_t limit)
{
    // The widest text column gives way first, so that short ones stay whole.
    for (size_t total = total_width(layout); total > limit; total--) {
        size_t widest = layout->count;
        for (size_t i = 0; i < layout->count; i++) {
            bool may_shrink =
                table->columns[i].kind == COLUMN_TEXT && layout->widths[i] > TABLE_TEXT_LEAST;
            if (may_shrink &&
                (widest == layout->count || layout->widths[i] > layout->widths[widest])) {
                widest = i;
            }
        }
        if (widest == layout->count) {
            return;
        }
        layout->widths[widest]--;
    }
}

static Layout lay_out(const Table *table, size_t width, bool has_header)
{
    Layout layout = {.count = table->column_count};
    for (size_t i = 0; i < table->column_count && has_header; i++) {
        layout.widths[i] = text_width(table->columns[i].header);
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->column_count;
        size_t needed = text_width(table->cells[i]);
        layout.widths[column] = needed > layout.widths[column] ? needed : layout.widths[column];
    }
    if (table->columns[table->column_count - 1].kind == COLUMN_NOTE && table->column_count > 1) {
        layout.count--;
        layout.has_note = true;
        layout.note_indent = total_width(&layout) + TABLE_GAP;
        size_t room = width > layout.note_indent ? width - layout.note_indent : 0;
        layout.note_width = width == 0 ? 0 : room;
        layout.is_note_below =
            width > 0 && room < TABLE_NOTE_LEAST && room < layout.widths[layout.count];
    }
    if (width > 0) {
        fit_widths(table, &layout, width);
    }
    if (layout.is_note_below) {
        layout.note_indent = layout.widths[0] + TABLE_GAP;
        size_t room = width > layout.note_indent ? width - layout.note_indent : 0;
        layout.note_width = room > TABLE_TEXT_LEAST ? room : TABLE_TEXT_LEAST;
    }
    return layout;
}

static bool is_right(ColumnKind kind)
{
    return kind == COLUMN_NUMBER || kind == COLUMN_DURATION || kind == COLUMN_AGE;
}

static void append_spaces(StrBuf *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        strbuf_append_char(out, ' ');
    }
}

static void append_cell(StrBuf *out, ColumnKind kind, size_t width, const char *text,
                        const char *color)
{
    StrBuf cut = {0};
    text_append_cut(&cut, text, width);
    const char *shown = cut.text ? cut.text : "";
    size_t used = text_width(shown);
    size_t padding = width > used ? width - used : 0;
    append_spaces(out, is_right(kind) ? padding : 0);
    strbuf_append(out, color);
    strbuf_append(out, shown);
    strbuf_append(out, color[0] != '\0' ? COLOR_OFF : "");
    append_spaces(out, (is_right(kind) ? 0 : padding) + TABLE_GAP);
    strbuf_free(&cut);
}

// The padding of a row's last cells would hang at its end.
static void end_line(StrBuf *out)
{
    while (out->length > 0 && out->text[out->length - 1] == ' ') {
        out->text[--out->length] = '\0';
    }
    strbuf_append_char(out, '\n');
}

static void append_note(StrBuf *out, const Layout *layout, const char *note)
{
    if (layout->is_note_below) {
        end_line(out);
        if (note[0] == '\0' || str_equal(note, "-")) {
            return;
        }
        append_spaces(out, layout->note_indent);
    }
    if (layout->note_width == 0) {
        strbuf_append(out, note);
    } else {
        text_append_wrapped(out, note, layout->note_width, layout->note_indent);
    }
    end_line(out);
}

static void append_header(StrBuf *out, const Table *table, const Layout *layout, bool has_color)
{
    const char *color = has_color ? COLOR_HEADER : "";
    size_t shown = layout->count + (layout->has_note && !layout->is_note_below ? 1 : 0);
    for (size_t i = 0; i < shown; i++) {
        append_cell(out, table->columns[i].kind, layout->widths[i], table->columns[i].header,
                    color);
    }
    end_line(out);
}

void table_render(const Table *table, size_t width, bool has_color, bool has_header, StrBuf *out)
{
    if (table->column_count == 0) {
        return;
    }
    Layout layout = lay_out(table, width, has_header);
    if (has_header) {
        append_header(out, table, &layout, has_color);
    }
    for (size_t row = 0; row < table_row_count(table); row++) {
        char *const *cells = table->cells + row * table->column_count;
        for (size_t i = 0; i < layout.count; i++) {
            ColumnKind kind = table->columns[i].kind;
            bool is_status = has_color && kind == COLUMN_STATUS;
            append_cell(out, kind, layout.widths[i], cells[i],
                        is_status ? table_status_color(cells[i]) : "");
        }
        if (layout.has_note) {
            append_note(out, &layout, cells[layout.count]);
        } else {
            end_line(out);
        }
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
