// SPDX-License-Identifier: MIT
// Http load: how long ordinary requests take while something else goes on.
#ifndef TESTS_SUPPORT_HTTP_LOAD_H
#define TESTS_SUPPORT_HTTP_LOAD_H

#include <stdint.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/http_client.h"

typedef struct HttpLoad {
    int64_t *took_us; // owned
    size_t count;
    size_t wrong; // answers with another status, or none
} HttpLoad;

static inline int http_load_compare(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;
    return (*left > *right) - (*left < *right);
}

// So many requests one after the other, each on a connection of its own.
static inline void http_load_run(HttpLoad *load, const char *address, const char *method,
                                 const char *target, const char *body, int status, size_t count)
{
    load->took_us = mem_realloc(load->took_us, (load->count + count) * sizeof(int64_t));
    for (size_t i = 0; i < count; i++) {
        int64_t at = clock_boot_us();
        load->wrong += http_status(address, method, target, body) != status;
        load->took_us[load->count++] = clock_boot_us() - at;
    }
}

// In microseconds.
static inline int64_t http_load_percentile(HttpLoad *load, int percent)
{
    qsort(load->took_us, load->count, sizeof(int64_t), http_load_compare);
    size_t index = load->count * (size_t)percent / 100;
    return load->count == 0 ? 0 : load->took_us[index < load->count ? index : load->count - 1];
}

static inline void http_load_free(HttpLoad *load)
{
    free(load->took_us);
    *load = (HttpLoad){0};
}

#endif
