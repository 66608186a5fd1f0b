// SPDX-License-Identifier: MIT
// Nearest: edit distance with swaps of neighbours (optimal string alignment), three rows of its table.
#include "common/base/nearest.h"

#include <string.h>

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

int nearest_distance(const char *a, const char *b)
{
    size_t a_length = strnlen(a, NEAREST_TEXT_MAX + 1);
    size_t b_length = strnlen(b, NEAREST_TEXT_MAX + 1);
    if (a_length > NEAREST_TEXT_MAX || b_length > NEAREST_TEXT_MAX) {
        return NEAREST_FAR;
    }
    int rows[3][NEAREST_TEXT_MAX + 1];
    for (size_t j = 0; j <= b_length; j++) {
        rows[0][j] = (int)j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        int *row = rows[i % 3];
        const int *above = rows[(i - 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= b_length; j++) {
            int replace = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = min_int(replace, min_int(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = min_int(row[j], rows[(i - 2) % 3][j - 2] + 1);
            }
        }
    }
    return rows[a_length % 3][b_length];
}

const char *nearest_name(const char *text, const char *const *names, size_t count)
{
    size_t length = strnlen(text, NEAREST_TEXT_MAX + 1);
    int limit = length < 6 ? 1 : (int)(length / 3);
    const char *best = NULL;
    for (size_t i = 0; i < count; i++) {
        int distance = nearest_distance(text, names[i]);
        // A text that must be rewritten wholly ("a" for "b") means nothing.
        if (distance <= limit && distance < (int)length) {
            best = names[i];
            limit = distance - 1;
        }
    }
    return best;
}
