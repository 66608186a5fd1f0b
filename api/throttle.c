// SPDX-License-Identifier: MIT
// Throttle: see the header.
#include "api/throttle.h"

#include <stdlib.h>

#include "common/base/memory.h"

typedef struct Tries {
    char address[THROTTLE_ADDRESS_BYTES]; // "" free
    int64_t since;                        // of the period
    int64_t last;
    int count;
} Tries;

struct Throttle {
    Tries tries[THROTTLE_ADDRESSES];
};

Throttle *throttle_create(void)
{
    return mem_alloc(sizeof(Throttle));
}

void throttle_destroy(Throttle *throttle)
{
    free(throttle);
}

static const Tries *find(const Throttle *throttle, const char *address)
{
    for (int i = 0; i < THROTTLE_ADDRESSES; i++) {
        if (str_equal(throttle->tries[i].address, address)) {
            return &throttle->tries[i];
        }
    }
    return NULL;
}

int64_t throttle_wait_ms(const Throttle *throttle, const char *address, int64_t now_ms)
{
    const Tries *tries = address[0] == '\0' ? NULL : find(throttle, address);
    if (tries == NULL || tries->count < THROTTLE_TRIES ||
        now_ms - tries->since >= THROTTLE_PERIOD_MS) {
        return 0;
    }
    return tries->since + THROTTLE_PERIOD_MS - now_ms;
}

static Tries *place_for(Throttle *throttle, const char *address)
{
    Tries *oldest = &throttle->tries[0];
    for (int i = 0; i < THROTTLE_ADDRESSES; i++) {
        Tries *tries = &throttle->tries[i];
        if (str_equal(tries->address, address)) {
            return tries;
        }
        oldest = tries->last < oldest->last ? tries : oldest;
    }
    *oldest = (Tries){0};
    if (!str_copy(oldest->address, sizeof oldest->address, address)) {
        oldest->address[0] = '\0';
    }
    return oldest;
}

void throttle_note(Throttle *throttle, const char *address, int64_t now_ms)
{
    if (address[0] == '\0') {
        return;
    }
    Tries *tries = place_for(throttle, address);
    if (tries->count == 0 || now_ms - tries->since >= THROTTLE_PERIOD_MS) {
        tries->since = now_ms;
        tries->count = 0;
    }
    tries->count++;
    tries->last = now_ms;
}
