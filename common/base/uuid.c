// SPDX-License-Identifier: MIT
// Uuids: see the header.
#include "common/base/uuid.h"

// A digit's value and one; 0 = no digit. A table, as digits and letters come at random, and a claim brings thousands.
static const uint8_t hex_digits[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

static int hex_digit(char c)
{
    return hex_digits[(uint8_t)c] - 1;
}

bool uuid_parse(const char *text, uint8_t uuid[UUID_BYTES])
{
    for (int i = 0; i < UUID_BYTES; i++) {
        if (*text == '-') {
            text++;
        }
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0) {
            return false;
        }
        uuid[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    return true;
}
