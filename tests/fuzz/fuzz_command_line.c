// SPDX-License-Identifier: MIT
// The command line of `ganger`: any words are a command or a mistake that is named.
#include "cli/option_table.h"
#include "tests/fuzz/fuzz.h"

enum { ARGV_MAX = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[ARGV_MAX + 1];
    char *made[ARGV_MAX]; // getopt moves the others about
    char *words = fuzz_text(data, size);
    char *rest = words;
    int argc = 0;
    argv[argc++] = mem_strdup("ganger");
    // Each word in a block of its own: a read past its end is seen.
    for (char *word = strsep(&rest, "\n"); word != NULL && argc < ARGV_MAX;
         word = strsep(&rest, "\n")) {
        argv[argc++] = mem_strdup(word);
    }
    argv[argc] = NULL;
    memcpy(made, argv, (size_t)argc * sizeof *made);
    CommandLine line;
    StrBuf problem = {0};
    const Status status = command_line_parse(&line, argc, argv, &problem);
    FUZZ_CHECK(status == STATUS_OK || status == STATUS_REFUSED);
    FUZZ_CHECK((status == STATUS_REFUSED) == (problem.length > 0));
    command_line_free(&line);
    strbuf_free(&problem);
    for (int i = 0; i < argc; i++) {
        free(made[i]);
    }
    free(words);
    return 0;
}
