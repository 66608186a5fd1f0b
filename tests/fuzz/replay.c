// SPDX-License-Identifier: MIT
// Replay: runs a target over the files of its corpus, without a fuzzer: each as it is, and cut short at every byte.
#include <dirent.h>
#include <errno.h>
#include <limits.h>

#include "tests/fuzz/fuzz.h"

// Longer files are cut at so many places, evenly.
enum { CUTS_MAX = 400, FILE_BYTES_MAX = 1 << 20, FOUND_NAME_LENGTH = 40 };

// In a block of its own size: a read past the end is seen.
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    FUZZ_CHECK(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    FUZZ_CHECK(LLVMFuzzerTestOneInput(copy, size) == 0);
    free(copy);
}

static long run_file(const char *path, bool is_found)
{
    static uint8_t bytes[FILE_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    // Whoever is to mend a crash sees the file that led there.
    (void)fprintf(stderr, "%s\n", path);
    run(bytes, size);
    const size_t step = size / CUTS_MAX + 1;
    long runs = 1;
    if (is_found) {
        return runs;
    }
    for (size_t cut = 0; cut < size; cut += step) {
        run(bytes, cut);
        runs++;
    }
    return runs;
}

int main(int argc, char **argv)
{
    long files = 0;
    long runs = 0;
    for (int i = 1; i < argc; i++) {
        struct dirent **entries = NULL;
        const int count = scandir(argv[i], &entries, NULL, alphasort);
        for (int k = 0; k < count; k++) {
            char path[PATH_MAX];
            (void)snprintf(path, sizeof path, "%s/%s", argv[i], entries[k]->d_name);
            if (entries[k]->d_name[0] != '.') {
                // What the fuzzer has kept is named by its hash, and is many.
                runs += run_file(path, strlen(entries[k]->d_name) == FOUND_NAME_LENGTH);
                files++;
            }
            free(entries[k]);
        }
        free(entries);
    }
    (void)printf("%ld files, %ld runs\n", files, runs);
    return files > 0 ? 0 : 1;
}
