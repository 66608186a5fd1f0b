// SPDX-License-Identifier: MIT
// Option table: the one static table of commands and options; parsing, help and completion read it.
#ifndef CLI_OPTION_TABLE_H
#define CLI_OPTION_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"
#include "common/base/status.h"

typedef enum OptionId {
    OPT_CONFIG,
    OPT_DATABASE,
    OPT_STATE,
    OPT_JSON,
    OPT_NO_COLOR,
    OPT_HELP,
    OPT_VERSION,
    OPT_RESET,
    OPT_PAYLOAD,
    OPT_MANY,
    OPT_QUEUE,
    OPT_PRIORITY,
    OPT_RUN_AT,
    OPT_DELAY,
    OPT_MAX_ATTEMPTS,
    OPT_TIMEOUT,
    OPT_KILL_GRACE,
    OPT_RETRY_DELAY,
    OPT_RETRY_DELAY_MAX,
    OPT_NO_RETRY_BACKOFF,
    OPT_TAGS,
    OPT_IDEMPOTENCY_KEY,
    OPT_OWNER,
    OPT_METADATA,
    OPT_STATUS,
    OPT_TYPE,
    OPT_TAG,
    OPT_KEY,
    OPT_SINCE,
    OPT_UNTIL,
    OPT_SEARCH,
    OPT_LIMIT,
    OPT_AFTER,
    OPT_SET,
    OPT_ALL,
    OPT_SAMPLE,
    OPT_QUICK,
    OPT_COUNT
} OptionId;

// What a shell may offer as the value of an option or argument.
typedef enum CompletionKind {
    COMPLETE_NOTHING,
    COMPLETE_FILE,
    COMPLETE_FOLDER,
    COMPLETE_CHOICES
} CompletionKind;

typedef struct OptionSpec {
    const char *name;     // without the dashes
    char letter;          // 0 = no short form
    const char *argument; // NULL = a flag
    const char *help;
    CompletionKind completion;
    const char *choices; // COMPLETE_CHOICES: separated by spaces
} OptionSpec;

struct Cli;

typedef struct CommandSpec {
    const char *name;      // one or two words: "jobs list"
    const char *arguments; // for the usage line; NULL = none
    int min_args;
    int max_args;        // -1 = any number
    const char *choices; // what the arguments may be, separated by spaces; NULL = anything
    uint64_t options;    // bit set of OptionId, besides the options every command takes
    uint64_t refused;    // of the options every command takes, those that make no sense here
    const char *summary;
    const char *details; // paragraphs for `ganger help COMMAND`; NULL = none
    int (*run)(struct Cli *cli);
} CommandSpec;

#define OPT_BIT(id) (UINT64_C(1) << (id))

extern const OptionSpec OPT_SPECS[OPT_COUNT];
extern const CommandSpec COMMAND_SPECS[];
extern const int COMMAND_COUNT;
extern const uint64_t OPTS_EVERYWHERE;

typedef struct CommandLine {
    const CommandSpec *command;    // NULL: none was named
    const char *values[OPT_COUNT]; // NULL = not given; "" for a flag
    char **args;                   // the command's own arguments, borrowed from argv
    int arg_count;
} CommandLine;

// Reads argv[1..]. STATUS_REFUSED: `problem` says what is wrong and names the nearest known word.
// `args` is allocated: command_line_free.
MUST_CHECK Status command_line_parse(CommandLine *line, int argc, char **argv, StrBuf *problem);
void command_line_free(CommandLine *line);

// The command called exactly `first` or "first second"; *words tells how many of the two it took.
const CommandSpec *command_find(const char *first, const char *second, int *words);
bool command_takes(const CommandSpec *command, OptionId id);

#endif
