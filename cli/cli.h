// SPDX-License-Identifier: MIT
// Cli: what a command has at hand: its command line, the terminal, the database.
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/option_table.h"
#include "common/base/config.h"
#include "common/db/db.h"

typedef struct Cli {
    CommandLine line;
    bool is_json;
    bool has_color;     // of stdout
    size_t width;       // of stdout; 0 = no terminal, no limit
    bool is_talk_shown; // stderr is a terminal
    size_t talk_width;  // of stderr
    char *url;          // NULL until cli_connect
    Db *db;             // NULL until cli_connect
    bool is_schema_checked;
    bool is_output_said;   // that it could not be written was said already
    char *database_origin; // "the database named by DATABASE_URL"
    bool is_dev_database;  // it is the one of `ganger dev`
} Cli;

// The whole program; returns the exit code.
int cli_main(int argc, char **argv);

// NULL when the option was not given.
const char *cli_option(const Cli *cli, OptionId id);

// One line to stderr: "ganger: ...".
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
// The same for a wrong command line, with where to read more; returns EXIT_CODE_USAGE.
int cli_usage(const Cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Readers of option and argument values; false: *exit_code is set and the reason was said.
bool cli_read_number(const Cli *cli, const char *what, const char *text, int64_t least,
                     int64_t most, int64_t *out, int *exit_code);
bool cli_read_duration(const Cli *cli, OptionId id, int64_t *ms, int *exit_code);
// --limit, or the default of lists.
bool cli_read_limit(const Cli *cli, int64_t *limit, int *exit_code);
// Runs `run` with the value of an option, read from standard input when it is "-"; NULL when it was not given.
int cli_with_payload(Cli *cli, OptionId id, int (*run)(Cli *cli, const char *payload));
// Reads all of a file ("-" = stdin) or says why not; caller frees; NULL on failure.
char *cli_read_input(const char *path, size_t most_bytes);

// Loads the file of --config (defaults when there is none) and says what is wrong with it.
// EXIT_CODE_OK or EXIT_CODE_CONFIG; *out owned by the caller.
int cli_load_config(const Cli *cli, Config **out);

// Refuses text that is no JSON, with the option and the place. True for NULL.
bool cli_check_json(const Cli *cli, OptionId id, const char *text, int *exit_code);

// Connects at first use. EXIT_CODE_OK, or another code with the reason said.
int cli_connect(Cli *cli);
// After a loss, to the same database as before; says nothing. cli->db is NULL when it fails.
MUST_CHECK Status cli_reconnect(Cli *cli);
// Connects; EXIT_CODE_CONFIG, with the reason said, when the schema is not the one of this program.
int cli_require_schema(Cli *cli);
// Connects, runs one statement; on failure says why and returns the exit code. *out: caller PQclears.
// cli_query reads, and only warns about another schema; cli_change requires this program's.
int cli_query(Cli *cli, const SqlStatement *statement, const DbParams *params, PGresult **out);
int cli_change(Cli *cli, const SqlStatement *statement, const DbParams *params, PGresult **out);
// The same, with what to say when the answer was lost (EXIT_CODE_UNKNOWN).
int cli_change_or(Cli *cli, const SqlStatement *statement, const DbParams *params,
                  const char *if_unknown, PGresult **out);
// What to say and return about a failed statement: one that reads, and one that changes something, which a lost answer
// leaves unknown (`if_unknown`: what to do then).
int cli_fail_statement(Cli *cli, Status status);
int cli_fail_change(Cli *cli, Status status, const char *if_unknown);

#endif
