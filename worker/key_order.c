// SPDX-License-Identifier: MIT
// Key order: see the header.
#include "worker/key_order.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const KeyAt *x = a;
    const KeyAt *y = b;
    if (x->key != y->key) {
        return x->key < y->key ? -1 : 1;
    }
    return (x->at > y->at) - (x->at < y->at);
}

static bool is_ordered(const KeyAt *items, int count)
{
    for (int i = 1; i < count; i++) {
        if (compare(&items[i - 1], &items[i]) > 0) {
            return false;
        }
    }
    return true;
}

bool key_order(KeyAt *items, int count)
{
    if (is_ordered(items, count)) {
        return false;
    }
    qsort(items, (size_t)count, sizeof *items, compare);
    return true;
}
