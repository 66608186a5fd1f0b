// SPDX-License-Identifier: MIT
// Top keys: what keys change of the live view, and in which order its rows stand.
#include <stdlib.h>
#include <string.h>

#include "cli/terminal.h"
#include "cli/top_view.h"

enum { PAGE_ROWS = 10 };

static void type_filter(TopState *state, int key)
{
    size_t length = strlen(state->filter);
    if (key == KEY_ENTER) {
        state->is_typing = false;
    } else if (key == KEY_ESCAPE) {
        state->filter[0] = '\0';
        state->is_typing = false;
    } else if (key == KEY_BACKSPACE) {
        // a whole character of UTF-8
        while (length > 0 && ((unsigned char)state->filter[length - 1] & 0xc0) == 0x80) {
            length--;
        }
        state->filter[length > 0 ? length - 1 : 0] = '\0';
    } else if (key >= ' ' && key < 256 && length + 1 < sizeof state->filter) {
        state->filter[length] = (char)key;
        state->filter[length + 1] = '\0';
    }
}

static void scroll_by(TopState *state, int rows)
{
    size_t *scroll = &state->scroll[state->pane];
    if (rows < 0) {
        *scroll -= *scroll < (size_t)-rows ? *scroll : (size_t)-rows;
    } else {
        *scroll += (size_t)rows; // rendering knows the end
    }
}

static void change_pace(TopState *state, bool is_faster)
{
    int64_t ms = is_faster ? state->interval_ms / 2 : state->interval_ms * 2;
    ms = ms < TOP_INTERVAL_LEAST_MS ? TOP_INTERVAL_LEAST_MS : ms;
    state->interval_ms = ms > TOP_INTERVAL_MOST_MS ? TOP_INTERVAL_MOST_MS : ms;
}

static void choose_pane(TopState *state, int pane)
{
    state->pane = (TopPane)((pane + PANE_COUNT) % PANE_COUNT);
}

static bool press_movement(TopState *state, int key)
{
    switch (key) {
    case KEY_UP:
    case 'k':
        scroll_by(state, -1);
        return true;
    case KEY_DOWN:
    case 'j':
        scroll_by(state, 1);
        return true;
    case KEY_PAGE_UP:
        scroll_by(state, -PAGE_ROWS);
        return true;
    case KEY_PAGE_DOWN:
        scroll_by(state, PAGE_ROWS);
        return true;
    case KEY_HOME:
        state->scroll[state->pane] = 0;
        return true;
    case KEY_END:
        scroll_by(state, 1 << 20);
        return true;
    case KEY_TAB:
    case KEY_RIGHT:
        choose_pane(state, (int)state->pane + 1);
        return true;
    case KEY_LEFT:
        choose_pane(state, (int)state->pane - 1);
        return true;
    default:
        return false;
    }
}

void top_view_press(TopState *state, int key)
{
    if (key == KEY_NONE) {
        return;
    }
    if (key == KEY_GONE || (key == 'q' && !state->is_typing)) {
        state->is_over = true;
    } else if (state->is_help) {
        state->is_help = false;
    } else if (state->is_typing) {
        type_filter(state, key);
    } else if (key >= '1' && key < '1' + PANE_COUNT) {
        choose_pane(state, key - '1');
    } else if (press_movement(state, key)) {
        return;
    } else if (key == 's') {
        state->sort[state->pane] = (state->sort[state->pane] + 1) % TOP_SORTS;
    } else if (key == 'z' || key == KEY_ENTER) {
        state->is_alone = !state->is_alone;
    } else if (key == '/') {
        state->is_typing = true;
    } else if (key == KEY_ESCAPE) {
        state->filter[0] = '\0';
    } else if (key == 'p' || key == ' ') {
        state->is_paused = !state->is_paused;
    } else if (key == '+' || key == '-') {
        change_pace(state, key == '+');
    } else if (key == '?' || key == 'h') {
        state->is_help = true;
    }
}

// Descending.
static int by_number(int64_t a, int64_t b)
{
    return a < b ? 1 : a > b ? -1 : 0;
}

static int by_queue_runnable(const void *a, const void *b)
{
    const TopQueue *x = a;
    const TopQueue *y = b;
    int order = by_number(x->runnable, y->runnable);
    return order != 0 ? order : strcmp(x->name, y->name);
}

static int by_queue_oldest(const void *a, const void *b)
{
    const TopQueue *x = a;
    const TopQueue *y = b;
    int order = by_number(x->oldest_wait_ms, y->oldest_wait_ms);
    return order != 0 ? order : strcmp(x->name, y->name);
}

static int by_queue_name(const void *a, const void *b)
{
    return strcmp(((const TopQueue *)a)->name, ((const TopQueue *)b)->name);
}

static int by_worker_number(const void *a, const void *b)
{
    const TopWorker *x = a;
    const TopWorker *y = b;
    int order = strcmp(x->node, y->node);
    return order != 0 ? order : by_number(y->worker, x->worker);
}

static int by_worker_since(const void *a, const void *b)
{
    const TopWorker *x = a;
    const TopWorker *y = b;
    int order = strcmp(x->node, y->node);
    order = order != 0 ? order : by_number(x->since_ms, y->since_ms);
    return order != 0 ? order : by_worker_number(a, b);
}

static int by_worker_memory(const void *a, const void *b)
{
    const TopWorker *x = a;
    const TopWorker *y = b;
    int order = strcmp(x->node, y->node);
    order = order != 0 ? order : by_number(x->rss, y->rss);
    return order != 0 ? order : by_worker_number(a, b);
}

static int by_failure_jobs(const void *a, const void *b)
{
    const TopFailure *x = a;
    const TopFailure *y = b;
    int order = by_number(x->jobs, y->jobs);
    return order != 0 ? order : by_number(y->last_ms, x->last_ms);
}

static int by_failure_newest(const void *a, const void *b)
{
    return by_number(((const TopFailure *)b)->last_ms, ((const TopFailure *)a)->last_ms);
}

static int by_failure_retrying(const void *a, const void *b)
{
    const TopFailure *x = a;
    const TopFailure *y = b;
    int order = by_number(x->retrying, y->retrying);
    return order != 0 ? order : by_failure_jobs(a, b);
}

void top_view_sort(const TopState *state, TopData *data)
{
    typedef int (*Order)(const void *a, const void *b);
    static const Order queues[TOP_SORTS] = {by_queue_name, by_queue_runnable, by_queue_oldest};
    static const Order workers[TOP_SORTS] = {by_worker_number, by_worker_since, by_worker_memory};
    static const Order failures[TOP_SORTS] = {by_failure_jobs, by_failure_newest,
                                              by_failure_retrying};
    qsort(data->queues, data->queue_count, sizeof *data->queues, queues[state->sort[PANE_QUEUES]]);
    qsort(data->workers, data->worker_count, sizeof *data->workers,
          workers[state->sort[PANE_WORKERS]]);
    qsort(data->failures, data->failure_count, sizeof *data->failures,
          failures[state->sort[PANE_FAILURES]]);
}
