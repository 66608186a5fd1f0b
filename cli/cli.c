// SPDX-License-Identifier: MIT
// Cli: the frame of every command: command line, terminal, messages, exit code.
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/help.h"
#include "common/base/duration.h"
#include "common/base/exit_code.h"
#include "common/base/json_check.h"
#include "common/base/log.h"

enum {
    TALK_WIDTH_DEFAULT = 80,
    LIST_LIMIT_DEFAULT = 20,
    LIST_LIMIT_MAX = 10000,
    PAYLOAD_INPUT_MAX_BYTES = 32 * 1024 * 1024 // twice the hard limit of the SQL API
};

const char *cli_option(const Cli *cli, OptionId id)
{
    return cli->line.values[id];
}

void cli_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("ganger: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
}

int cli_usage(const Cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("ganger: ", stderr);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    if (cli->line.command) {
        (void)fprintf(stderr, "\nTry 'ganger help %s'.\n", cli->line.command->name);
    } else if (cli->line.arg_count > 0 && command_is_group(cli->line.args[0])) {
        (void)fprintf(stderr, "\nTry 'ganger help %s'.\n", cli->line.args[0]);
    } else {
        (void)fputs("\nTry 'ganger help'.\n", stderr);
    }
    return EXIT_CODE_USAGE;
}

bool cli_read_number(const Cli *cli, const char *what, const char *text, int64_t least,
                     int64_t most, int64_t *out, int *exit_code)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
        *exit_code = cli_usage(cli, "%s '%s' is not a whole number from %" PRId64 " to %" PRId64,
                               what, text, least, most);
        return false;
    }
    *out = value;
    return true;
}

bool cli_read_duration(const Cli *cli, OptionId id, int64_t *ms, int *exit_code)
{
    const char *why = NULL;
    if (duration_parse(cli_option(cli, id), ms, &why) != STATUS_OK) {
        *exit_code = cli_usage(cli, "--%s '%s': %s", OPT_SPECS[id].name, cli_option(cli, id), why);
        return false;
    }
    return true;
}

bool cli_read_limit(const Cli *cli, int64_t *limit, int *exit_code)
{
    const char *text = cli_option(cli, OPT_LIMIT);
    *limit = LIST_LIMIT_DEFAULT;
    return !text || cli_read_number(cli, "--limit", text, 1, LIST_LIMIT_MAX, limit, exit_code);
}

int cli_with_payload(Cli *cli, OptionId id, int (*run)(Cli *cli, const char *payload))
{
    const char *payload = cli_option(cli, id);
    if (!payload || !str_equal(payload, "-")) {
        return run(cli, payload);
    }
    char *text = cli_read_input("-", PAYLOAD_INPUT_MAX_BYTES);
    int exit_code = text ? run(cli, text) : EXIT_CODE_FAILED;
    free(text);
    return exit_code;
}

bool cli_check_json(const Cli *cli, OptionId id, const char *text, int *exit_code)
{
    const char *why = NULL;
    size_t offset = 0;
    if (!text || json_check(text, strlen(text), &why, &offset)) {
        return true;
    }
    *exit_code =
        cli_usage(cli, "--%s is no JSON: %s, at byte %zu", OPT_SPECS[id].name, why, offset + 1);
    return false;
}

// NULL (said why) when it cannot be read, is too long, or is no text.
static char *read_stream(FILE *file, const char *name, size_t most_bytes)
{
    StrBuf text = {0};
    char chunk[65536];
    size_t got = 0;
    strbuf_append(&text, "");
    while (text.length <= most_bytes && (got = fread(chunk, 1, sizeof chunk, file)) > 0) {
        strbuf_append_bytes(&text, chunk, got);
    }
    const char *wrong = NULL;
    if (ferror(file) != 0) {
        wrong = "cannot be read";
    } else if (text.length > most_bytes) {
        wrong = "too long";
    } else if (strlen(text.text) != text.length) {
        wrong = "has a NUL byte in it, which is not text";
    }
    if (wrong) {
        cli_say("%s: %s", name, wrong);
        strbuf_free(&text);
        return NULL;
    }
    // The byte order mark that some editors write is no part of the text.
    static const char mark[] = "\xef\xbb\xbf";
    char *whole = strbuf_take(&text);
    if (strncmp(whole, mark, strlen(mark)) == 0) {
        memmove(whole, whole + strlen(mark), strlen(whole) - strlen(mark) + 1);
    }
    return whole;
}

char *cli_read_input(const char *path, size_t most_bytes)
{
    if (str_equal(path, "-")) {
        return read_stream(stdin, "standard input", most_bytes);
    }
    FILE *file = fopen(path, "re");
    if (!file) {
        cli_say("%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = read_stream(file, path, most_bytes);
    (void)fclose(file);
    return text;
}

int cli_load_config(const Cli *cli, Config **out)
{
    StrBuf errors = {0};
    Status status = config_load(out, cli_option(cli, OPT_CONFIG), &errors);
    if (errors.length > 0) {
        (void)fputs(errors.text, stderr);
    }
    strbuf_free(&errors);
    if (status == STATUS_FATAL) {
        return EXIT_CODE_INTERNAL;
    }
    return status == STATUS_OK ? EXIT_CODE_OK : EXIT_CODE_CONFIG;
}

static size_t terminal_width(int fd)
{
    struct winsize size = {0};
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    return TALK_WIDTH_DEFAULT;
}

static void look_at_terminal(Cli *cli)
{
    const char *no_color = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    bool is_wanted = !cli_option(cli, OPT_NO_COLOR) && (!no_color || no_color[0] == '\0') &&
                     !(terminal && str_equal(terminal, "dumb"));
    bool is_terminal = isatty(STDOUT_FILENO) == 1;
    cli->is_json = cli_option(cli, OPT_JSON) != NULL;
    cli->width = is_terminal ? terminal_width(STDOUT_FILENO) : 0;
    cli->has_color = is_terminal && is_wanted;
    cli->is_talk_shown = isatty(STDERR_FILENO) == 1;
    cli->talk_width = terminal_width(STDERR_FILENO);
}

static int run_command(Cli *cli, int argc, char **argv)
{
    StrBuf problem = {0};
    if (command_line_parse(&cli->line, argc, argv, &problem) != STATUS_OK) {
        int exit_code = cli_usage(cli, "%s", problem.text);
        strbuf_free(&problem);
        return exit_code;
    }
    strbuf_free(&problem);
    look_at_terminal(cli);
    if (cli_option(cli, OPT_VERSION)) {
        (void)puts("ganger " GANGER_VERSION);
        return EXIT_CODE_OK;
    }
    if (cli->line.group) {
        return help_print_group(cli, cli->line.group) ? EXIT_CODE_OK : EXIT_CODE_USAGE;
    }
    if (cli_option(cli, OPT_HELP)) {
        return help_print(cli, cli->line.command);
    }
    if (!cli->line.command) {
        help_write(NULL, cli->talk_width, &problem);
        (void)fputs(problem.text, stderr);
        strbuf_free(&problem);
        return EXIT_CODE_USAGE;
    }
    return cli->line.command->run(cli);
}

int cli_main(int argc, char **argv)
{
    Cli cli = {0};
    // Failures are said once, by the command, in words for people; the library's log lines stay out.
    log_init("cli", LOG_FORMAT_AUTO, LOG_LEVEL_FATAL);
    int exit_code = run_command(&cli, argc, argv);
    db_close(cli.db);
    free(cli.url);
    free(cli.database_origin);
    command_line_free(&cli.line);
    // A full disk behind a redirection must not pass for success.
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        if (errno != EPIPE && !cli.is_output_said) {
            cli_say("cannot write the output: %s", strerror(errno));
        }
        exit_code = exit_code == EXIT_CODE_OK ? EXIT_CODE_INTERNAL : exit_code;
    }
    return exit_code;
}
