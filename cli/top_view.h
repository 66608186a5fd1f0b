// SPDX-License-Identifier: MIT
// Top view: the live view as lines of text, and what keys change of it. Pure.
#ifndef CLI_TOP_VIEW_H
#define CLI_TOP_VIEW_H

#include "cli/top_data.h"

typedef enum TopPane { PANE_QUEUES, PANE_WORKERS, PANE_FAILURES, PANE_COUNT } TopPane;

enum {
    TOP_SORTS = 3,
    TOP_FILTER_BYTES = 64,
    TOP_INTERVAL_LEAST_MS = 250,
    TOP_INTERVAL_MOST_MS = 60000
};

typedef struct TopState {
    TopPane pane;  // the one that keys are for
    bool is_alone; // it has all the room
    size_t scroll[PANE_COUNT];
    int sort[PANE_COUNT];
    char filter[TOP_FILTER_BYTES]; // only what has this in it; "" = all
    bool is_typing;                // the filter
    bool is_paused;
    bool is_help;
    bool is_over;
    int64_t interval_ms;
} TopState;

// What a key (cli/terminal.h) does.
void top_view_press(TopState *state, int key);

// Lines per pane when `room` lines are to be shared, title and header among them: `first` gets up to half of it, each other three lines, then
// `first` the rest of what it wants, then the others in their order.
void top_view_share(size_t room, const size_t wanted[PANE_COUNT], TopPane first,
                    size_t shares[PANE_COUNT]);

// The newest of `values` as a line of blocks, at most `width` of them; the highest one is a full block.
void top_view_spark(StrBuf *out, const int64_t *values, size_t count, size_t width);

// Sorts the rows as the state says.
void top_view_sort(const TopState *state, TopData *data);

// At most `height` lines of at most `width` columns, each ended by a newline. height 0: all there is, and no line about keys. `origin`: which
// database; `problem`: what is shown in place of the keys, or NULL. Scrolls back a state that is past the end.
void top_view_render(TopState *state, const TopData *data, const char *origin, const char *problem,
                     size_t width, size_t height, bool has_color, StrBuf *out);

#endif
