// SPDX-License-Identifier: MIT
// Top view: the live view as lines of text.
#include "cli/top_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/table.h"
#include "cli/text.h"
#include "cli/top_tables.h"

enum { HEAD_LINES = 5, RATE_SECONDS = 5, SPARK_LEAST = 10, PANE_LEAST = 3 };

#define BOLD   "\033[1m"
#define CYAN   "\033[36m"
#define YELLOW "\033[33m"
#define PLAIN  "\033[0m"

void top_view_spark(StrBuf *out, const int64_t *values, size_t count, size_t width)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    size_t first = count > width ? count - width : 0;
    int64_t most = 1;
    for (size_t i = first; i < count; i++) {
        most = values[i] > most ? values[i] : most;
    }
    for (size_t i = first; i < count; i++) {
        int64_t level = values[i] <= 0 ? 0 : (values[i] * 8 + most - 1) / most;
        strbuf_append(out, blocks[level]);
    }
}

static size_t give(size_t *room, size_t wanted)
{
    size_t given = wanted < *room ? wanted : *room;
    *room -= given;
    return given;
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

void top_view_share(size_t room, const size_t wanted[PANE_COUNT], TopPane first,
                    size_t shares[PANE_COUNT])
{
    shares[first] = give(&room, lesser(wanted[first], room / 2));
    for (int i = 0; i < PANE_COUNT; i++) {
        if (i != (int)first) {
            shares[i] = give(&room, lesser(wanted[i], PANE_LEAST));
        }
    }
    shares[first] += give(&room, wanted[first] - shares[first]);
    for (int i = 0; i < PANE_COUNT; i++) {
        shares[i] += give(&room, wanted[i] - shares[i]);
    }
}

// A line of its own, cut; `color` around it.
static void append_line(StrBuf *out, const char *line, size_t width, const char *color)
{
    strbuf_append(out, color);
    if (width > 0) {
        text_append_cut(out, line, width);
    } else {
        strbuf_append(out, line);
    }
    strbuf_append(out, color[0] != '\0' ? PLAIN "\n" : "\n");
}

static void append_count(StrBuf *line, const char *name, int64_t count)
{
    char shown[TEXT_SHORT_BYTES];
    text_count(count, shown, sizeof shown);
    strbuf_printf(line, "  %s %s", name, shown);
}

static void append_some(StrBuf *line, const char *name, int64_t count)
{
    if (count != 0) {
        append_count(line, name, count);
    }
}

static double rate_of(const int64_t *values, size_t count)
{
    size_t first = count > RATE_SECONDS ? count - RATE_SECONDS : 0;
    int64_t sum = 0;
    for (size_t i = first; i < count; i++) {
        sum += values[i];
    }
    return count > first ? (double)sum / (double)(count - first) : 0;
}

static void append_rates(StrBuf *out, const TopData *data, size_t width, bool has_color)
{
    StrBuf line = {0};
    StrBuf hour = {0};
    strbuf_printf(&line, "  completed %.1f/s  failed %.1f/s  ",
                  rate_of(data->completed, data->seconds), rate_of(data->failed, data->seconds));
    append_count(&hour, "in an hour: completed", data->counts.hour_completed);
    append_count(&hour, "failed", data->counts.hour_failed);
    size_t around = line.length + hour.length;
    size_t room = width == 0 ? TOP_SECONDS : width > around ? width - around : 0;
    if (room >= SPARK_LEAST) {
        int64_t ended[TOP_SECONDS];
        for (size_t i = 0; i < data->seconds; i++) {
            ended[i] = data->completed[i] + data->failed[i];
        }
        strbuf_append(out, line.text);
        strbuf_append(out, has_color ? CYAN : "");
        top_view_spark(out, ended, data->seconds, room);
        strbuf_append(out, has_color ? PLAIN : "");
        strbuf_append(out, hour.text);
        strbuf_append_char(out, '\n');
    } else {
        strbuf_append(&line, hour.text + 2);
        append_line(out, line.text, width, "");
    }
    strbuf_free(&line);
    strbuf_free(&hour);
}

static void append_title(StrBuf *out, const TopState *state, const TopData *data,
                         const char *origin, size_t width, bool has_color)
{
    StrBuf line = {0};
    char every[TEXT_SHORT_BYTES];
    text_duration(state->interval_ms, every, sizeof every);
    strbuf_printf(&line, "ganger top  %s  every %s%s  ", data->counts.at, every,
                  state->is_paused ? ", paused" : "");
    text_append_safe(&line, origin, false);
    append_line(out, line.text, width, has_color ? BOLD : "");
    strbuf_free(&line);
}

static void append_head(StrBuf *out, const TopState *state, const TopData *data, const char *origin,
                        size_t width, bool has_color)
{
    const TopCounts *c = &data->counts;
    StrBuf line = {0};
    char shown[TEXT_SHORT_BYTES];
    append_title(out, state, data, origin, width, has_color);
    append_rates(out, data, width, has_color);
    append_count(&line, "runnable", c->runnable);
    if (c->oldest_wait_ms != TOP_UNKNOWN) {
        text_duration(c->oldest_wait_ms, shown, sizeof shown);
        strbuf_printf(&line, " (oldest %s)", shown);
    }
    append_some(&line, "scheduled", c->scheduled);
    append_some(&line, "retry", c->retry);
    append_some(&line, "blocked", c->blocked);
    append_some(&line, "limited", c->limited);
    append_some(&line, "paused", c->paused);
    append_some(&line, "batch", c->batch);
    append_some(&line, "waiting", c->waiting);
    strbuf_append(&line, c->is_exact ? "" : "  (estimates)");
    append_line(out, line.text, width, "");
    strbuf_clear(&line);
    append_count(&line, "processing", c->processing);
    strbuf_printf(&line, "  busy %" PRId64 " of %" PRId64 " workers", c->busy, c->workers);
    append_count(&line, "nodes", c->nodes);
    append_count(&line, "completed", c->completed);
    append_count(&line, "failed", c->failed);
    append_some(&line, "cancelled", c->cancelled);
    append_line(out, line.text, width, "");
    append_line(out, "", width, "");
    strbuf_free(&line);
}

// A line of a table, which is wider than asked for where its columns cannot be narrower: then it is cut, and loses its colours.
static void append_row(StrBuf *out, const char *line, size_t length, size_t width)
{
    StrBuf plain = {0};
    strbuf_append(&plain, "");
    for (const char *c = line; c < line + length; c++) {
        if (*c == '\033') {
            c += strcspn(c, "m");
        } else {
            strbuf_append_char(&plain, *c);
        }
    }
    if (width > 0 && text_width(plain.text) > width) {
        text_append_cut(out, plain.text, width);
    } else {
        strbuf_append_bytes(out, line, length);
    }
    strbuf_append_char(out, '\n');
    strbuf_free(&plain);
}

// The header and `rows` of the table from `scroll` on.
static void append_pane(StrBuf *out, const Table *table, size_t scroll, size_t rows, size_t width,
                        bool has_color)
{
    StrBuf text = {0};
    table_render(table, width, has_color, true, &text);
    const char *line = text.text;
    for (size_t i = 0; line && *line != '\0'; i++) {
        size_t length = strcspn(line, "\n");
        if (i == 0 || (i > scroll && i <= scroll + rows)) {
            append_row(out, line, length, width);
        }
        line += length + (line[length] == '\n' ? 1 : 0);
    }
    strbuf_free(&text);
}

static void append_foot(StrBuf *out, const TopState *state, const char *problem, size_t width,
                        bool has_color)
{
    StrBuf line = {0};
    if (problem) {
        text_append_safe(&line, problem, false);
    } else if (state->is_typing) {
        strbuf_printf(&line, "filter: %s_   Enter keeps it, Esc clears it", state->filter);
    } else {
        strbuf_printf(&line,
                      "q quit  Tab pane  arrows scroll  s sort  z zoom  / filter%s%s  p pause  + - "
                      "pace  ? help",
                      state->filter[0] != '\0' ? ": " : "", state->filter);
    }
    // The last line has no newline: it would move the screen.
    strbuf_append(out, has_color && problem ? YELLOW : "");
    text_append_cut(out, line.text ? line.text : "", width);
    strbuf_append(out, has_color && problem ? PLAIN : "");
    strbuf_free(&line);
}

static void append_help(StrBuf *out, size_t width, size_t room)
{
    static const char *const lines[] = {
        "q, Ctrl-C      quit",
        "Tab, 1 2 3     the pane that the other keys are for: queues, workers, failures",
        "arrows, PgUp   scroll it",
        "s              sort it otherwise: queues by name, runnable, oldest; workers by number, "
        "longest",
        "               running, memory; failures by jobs, newest, retrying",
        "z, Enter       give it all the room, or not",
        "/              show only what has a text in its name, pool, job type or message",
        "p, space       stop and go on",
        "+ -            more often, less often",
        "",
        "Rates are the mean of 5 seconds, the line of blocks is two minutes. Failures are those of "
        "an",
        "hour, by their message with a star for what differs. Any key goes back.",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0] && i < room; i++) {
        append_line(out, lines[i], width, "");
    }
}

static void append_panes(StrBuf *out, TopState *state, const TopData *data, size_t width,
                         size_t room, bool has_color)
{
    static const char *const names[PANE_COUNT] = {"Queues", "Nodes and workers",
                                                  "Failures of an hour"};
    Table *tables[PANE_COUNT] = {top_table_queues(state, data), top_table_workers(state, data),
                                 top_table_failures(state, data)};
    size_t wanted[PANE_COUNT];
    size_t shares[PANE_COUNT];
    for (int i = 0; i < PANE_COUNT; i++) {
        bool is_shown = !state->is_alone || i == (int)state->pane;
        wanted[i] = is_shown ? table_row_count(tables[i]) + 2 : 0; // with title and header
    }
    top_view_share(room, wanted, state->pane, shares);
    for (int i = 0; i < PANE_COUNT; i++) {
        size_t count = table_row_count(tables[i]);
        size_t rows = shares[i] > 2 ? shares[i] - 2 : 0;
        size_t most = count > rows ? count - rows : 0;
        state->scroll[i] = state->scroll[i] < most ? state->scroll[i] : most;
        if (shares[i] >= 2) {
            char *title =
                mem_printf("%s%s (%zu)", i == (int)state->pane ? "> " : "  ", names[i], count);
            append_line(out, title, width, has_color ? BOLD : "");
            append_pane(out, tables[i], state->scroll[i], rows, width, has_color);
            free(title);
        }
        table_destroy(tables[i]);
    }
}

// On a screen that is too low for all.
static void keep_lines(StrBuf *out, size_t height)
{
    char *end = out->text;
    for (size_t i = 0; end && i < height; i++) {
        end = strchr(i == 0 ? end : end + 1, '\n');
    }
    if (end) {
        *end = '\0';
        out->length = (size_t)(end - out->text);
    }
}

void top_view_render(TopState *state, const TopData *data, const char *origin, const char *problem,
                     size_t width, size_t height, bool has_color, StrBuf *out)
{
    size_t room = height == 0               ? SIZE_MAX / 2
                  : height > HEAD_LINES + 1 ? height - HEAD_LINES - 1
                                            : 0;
    append_head(out, state, data, origin, width, has_color);
    if (state->is_help) {
        append_help(out, width, room);
    } else {
        append_panes(out, state, data, width, room, has_color);
    }
    if (height > 0) {
        append_foot(out, state, problem, width, has_color);
        keep_lines(out, height);
    }
}
