// SPDX-License-Identifier: MIT
// Key order: places of an array in the order of numbers that belong to them. Mostly they are in order already.
#ifndef WORKER_KEY_ORDER_H
#define WORKER_KEY_ORDER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct KeyAt {
    int64_t key;
    int at; // its place
} KeyAt;

// Least key first; equal ones by place. True: they were not in that order.
bool key_order(KeyAt *items, int count);

#endif
