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
    OPT_HTTP,
    OPT_NO_HTTP,
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
    OPT_EXPIRES_AT,
    OPT_UNIQUE_KEY,
    OPT_UNIQUE_FOR,
    OPT_ON_CONFLICT,
    OPT_GROUP_KEY,
    OPT_DEPENDS_ON,
    OPT_DEPENDS_ON_TAGS,
    OPT_DEAD_LETTER_JOB_TYPE,
    OPT_STATUS,
    OPT_TYPE,
    OPT_TAG,
    OPT_KEY,
    OPT_BATCH,
    OPT_SINCE,
    OPT_UNTIL,
    OPT_SEARCH,
    OPT_LIMIT,
    OPT_AFTER,
    OPT_SET,
    OPT_ALL,
    OPT_CONCURRENCY,
    OPT_GROUP_CONCURRENCY,
    OPT_RATE,
    OPT_RATE_PERIOD,
    OPT_RETENTION,
    OPT_MAX_CRASHES,
    OPT_CRON,
    OPT_TIMEZONE,
    OPT_OVERLAP,
    OPT_CATCH_UP,
    OPT_ITEMS,
    OPT_ID,
    OPT_ON_FINISH,
    OPT_START,
    OPT_JOB,
    OPT_DATA,
    OPT_SAMPLE,
    OPT_QUICK,
    OPT_WAIT,
    OPT_WAIT_TIMEOUT,
    OPT_SCOPE,
    OPT_QUEUES,
    OPT_EXPIRES,
    OPT_ONCE,
    OPT_ERROR_GROUP,
    OPT_INTERVAL,
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

// A set of OptionId: there are more than 64.
__extension__ typedef unsigned __int128 OptionSet;

#define OPT_BIT(id) ((OptionSet)1 << (id))

typedef struct CommandSpec {
    const char *name;      // one or two words: "jobs list"
    const char *arguments; // for the usage line; NULL = none
    int min_args;
    int max_args;        // -1 = any number
    const char *choices; // what the arguments may be, separated by spaces; NULL = anything
    OptionSet options;   // besides the options every command takes
    OptionSet refused;   // of the options every command takes, those that make no sense here
    const char *summary;
    const char *details; // paragraphs for `ganger help COMMAND`; NULL = none
    int (*run)(struct Cli *cli);
} CommandSpec;

extern const OptionSpec OPT_SPECS[OPT_COUNT];
extern const CommandSpec COMMAND_SPECS[]; // the commands of a group stand together
extern const int COMMAND_COUNT;
extern const OptionSet OPTS_EVERYWHERE;
extern const OptionSet OPTS_LISTS; // given twice, their values are joined by a comma

// What `ganger help` says about a group: the commands with the same first word.
typedef struct GroupSpec {
    const char *name;
    const char *summary;
} GroupSpec;

extern const GroupSpec GROUP_SPECS[];
extern const int GROUP_COUNT;

typedef struct CommandLine {
    const CommandSpec *command;    // NULL: none was named
    const char *group;             // with --help: a group was named, and none of its commands
    const char *values[OPT_COUNT]; // NULL = not given; "" for a flag
    char *joined[OPT_COUNT];       // the values of lists that were given more than once
    char **args;                   // the command's own arguments, borrowed from argv
    int arg_count;
} CommandLine;

// Reads argv[1..]. STATUS_REFUSED: `problem` says what is wrong and names the nearest known word.
// `args` is allocated: command_line_free.
MUST_CHECK Status command_line_parse(CommandLine *line, int argc, char **argv, StrBuf *problem);
void command_line_free(CommandLine *line);

// The command called exactly `first` or "first second"; *words tells how many of the two it took. A group's name
// alone is its `list`.
const CommandSpec *command_find(const char *first, const char *second, int *words);
// True when commands of two words begin with this one.
bool command_is_group(const char *first);
bool command_takes(const CommandSpec *command, OptionId id);

#endif
