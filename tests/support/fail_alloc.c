// SPDX-License-Identifier: MIT
// Fail alloc: see the header. Preloaded, so the C library's and every other library's allocations go through it, too.
#include "tests/support/fail_alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define VISIBLE __attribute__((visibility("default")))

// glibc's own names of them: to look these up by dlsym would allocate.
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

static FailAlloc *shared;

// Before main. The children of the program are to have a whole allocator.
static __attribute__((constructor)) void begin(void)
{
    const char *path = getenv(FAIL_ALLOC_VARIABLE);
    const int file = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file >= 0) {
        void *at = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        (void)close(file);
        (void)unsetenv(FAIL_ALLOC_VARIABLE);
        (void)unsetenv("LD_PRELOAD");
        shared = at != MAP_FAILED ? at : NULL;
    }
}

static int is_to_fail(void)
{
    if (shared == NULL) {
        return 0;
    }
    const long long number = atomic_fetch_add(&shared->count, 1) + 1;
    const long long first = atomic_load(&shared->fail_at);
    if (first == 0 || number < first || number > first + atomic_load(&shared->fail_more)) {
        return 0;
    }
    atomic_fetch_add(&shared->failed, 1);
    errno = ENOMEM;
    return 1;
}

VISIBLE void *malloc(size_t bytes)
{
    return is_to_fail() ? NULL : __libc_malloc(bytes);
}

VISIBLE void *calloc(size_t count, size_t bytes)
{
    return is_to_fail() ? NULL : __libc_calloc(count, bytes);
}

VISIBLE void *realloc(void *old, size_t bytes)
{
    return is_to_fail() ? NULL : __libc_realloc(old, bytes);
}
