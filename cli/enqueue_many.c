// SPDX-License-Identifier: MIT
// Enqueue many: jobs from NDJSON, a thousand lines per transaction.
#include "cli/enqueue_many.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/progress.h"
#include "cli/text.h"
#include "common/base/clock.h"
#include "common/base/exit_code.h"
#include "common/base/json_check.h"
#include "common/db/db_array.h"
#include "sql_queries.h"

// Bytes bound the memory of a chunk of very long lines.
enum { CHUNK_LINES = 1000, CHUNK_BYTES = 16 * 1024 * 1024, CHUNK_TIMEOUT_MS = 5 * 60 * 1000 };

typedef struct Chunk {
    char *lines[CHUNK_LINES];
    int64_t numbers[CHUNK_LINES]; // line numbers in the file
    int count;
    size_t bytes;
} Chunk;

typedef struct Source {
    const char *name;
    bool is_stdin;
    FILE *file;
    int64_t line;        // lines read
    int64_t bytes;       // bytes read
    int64_t total_bytes; // 0 = not known
} Source;

typedef enum Fill { FILL_CHUNK, FILL_END, FILL_BAD } Fill;

static bool is_blank(const char *line)
{
    return line[strspn(line, " \t\r\n")] == '\0';
}

static void chunk_clear(Chunk *chunk)
{
    for (int i = 0; i < chunk->count; i++) {
        free(chunk->lines[i]);
    }
    chunk->count = 0;
    chunk->bytes = 0;
}

// The byte order mark that some editors put before the first line.
static ssize_t drop_mark(char *line, ssize_t length)
{
    static const char mark[] = "\xef\xbb\xbf";
    ssize_t size = (ssize_t)strlen(mark);
    if (length < size || memcmp(line, mark, (size_t)size) != 0) {
        return length;
    }
    memmove(line, line + size, (size_t)(length - size) + 1);
    return length - size;
}

// Fills the chunk; FILL_END when the input ended (the chunk may still hold lines).
static Fill chunk_fill(Chunk *chunk, Source *source)
{
    char *line = NULL;
    size_t capacity = 0;
    Fill fill = FILL_CHUNK;
    while (chunk->count < CHUNK_LINES && chunk->bytes < CHUNK_BYTES) {
        ssize_t length = getline(&line, &capacity, source->file);
        if (length < 0) {
            fill = ferror(source->file) != 0 ? FILL_BAD : FILL_END;
            break;
        }
        source->line++;
        source->bytes += length;
        if (source->line == 1) {
            length = drop_mark(line, length);
        }
        if (strlen(line) != (size_t)length) {
            cli_say("%s:%" PRId64 ": the line has a NUL byte", source->name, source->line);
            fill = FILL_BAD;
            break;
        }
        if (is_blank(line)) {
            continue;
        }
        line[strcspn(line, "\n")] = '\0';
        chunk->numbers[chunk->count] = source->line;
        chunk->lines[chunk->count++] = line;
        chunk->bytes += (size_t)length;
        line = NULL;
        capacity = 0;
    }
    if (fill == FILL_BAD && ferror(source->file) != 0) {
        cli_say("%s: %s", source->name, strerror(errno));
    }
    free(line);
    return fill;
}

// Enqueues the first `count` lines in the transaction that is open, or in one of their own.
static Status enqueue_lines(Cli *cli, const Chunk *chunk, int count, PGresult **out)
{
    DbArray lines;
    DbParams params;
    db_array_begin(&lines, DB_ELEMENT_TEXT);
    for (int i = 0; i < count; i++) {
        db_array_add_text(&lines, chunk->lines[i]);
    }
    db_params_init(&params);
    db_param_array(&params, &lines);
    Status status = db_exec(cli->db, &SQL_cli_enqueue_many, &params, CHUNK_TIMEOUT_MS, out);
    db_array_free(&lines);
    return status;
}

// What the database says about the last failure, with its detail and hint.
static void append_refusal(const Cli *cli, StrBuf *why)
{
    strbuf_clear(why);
    strbuf_append(why, db_error_message(cli->db));
    const char *detail = db_error_detail(cli->db);
    if (detail[0] != '\0') {
        strbuf_printf(why, " (%s)", detail);
    }
}

// True when the first `count` lines are accepted; what they did is rolled back. What the database says
// about the last of the refused ones stays readable in `why`.
static bool is_accepted(Cli *cli, const Chunk *chunk, int count, StrBuf *why)
{
    if (db_begin(cli->db) != STATUS_OK) {
        return false;
    }
    Status status = enqueue_lines(cli, chunk, count, NULL);
    if (status != STATUS_OK) {
        append_refusal(cli, why);
    }
    // When the rollback fails the connection is gone, and the next call says so.
    (void)(db_rollback(cli->db) == STATUS_OK);
    return status == STATUS_OK;
}

// Entries refer to earlier ones only, so when a beginning of the chunk is refused every longer one is:
// the shortest refused beginning ends with the bad line. About ten tries for a thousand lines.
static int find_bad_line(Cli *cli, const Chunk *chunk, StrBuf *why)
{
    int good = 0;
    int bad = chunk->count;
    while (bad - good > 1 && !db_is_lost(cli->db)) {
        int middle = good + (bad - good) / 2;
        if (is_accepted(cli, chunk, middle, why)) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    return bad - 1;
}

// "jobs[537]: " counts within the chunk, which means nothing to the user.
static const char *without_place(const char *message)
{
    const char *close = strncmp(message, "jobs[", 5) == 0 ? strchr(message, ']') : NULL;
    if (!close) {
        return message;
    }
    return close + 1 + strspn(close + 1, ": ");
}

static void say_enqueued(int64_t enqueued)
{
    if (enqueued == 0) {
        cli_say("nothing is enqueued");
    } else {
        cli_say("%" PRId64 " job%s enqueued", enqueued, enqueued == 1 ? " is" : "s are");
    }
}

static void say_how_to_go_on(const Source *source, int64_t line)
{
    if (source->is_stdin) {
        cli_say("none from line %" PRId64 " on; mend the line and give the input from there on",
                line);
        return;
    }
    cli_say("none from line %" PRId64 " on; mend the line and go on with: tail -n +%" PRId64
            " '%s' | ganger enqueue --many -",
            line, line, source->name);
}

static int say_refused(Cli *cli, const Chunk *chunk, const Source *source, int64_t enqueued)
{
    StrBuf why = {0};
    append_refusal(cli, &why);
    int bad = find_bad_line(cli, chunk, &why);
    if (db_is_lost(cli->db)) {
        strbuf_free(&why);
        return cli_fail_statement(cli, STATUS_LOST);
    }
    StrBuf safe = {0};
    const char *wrong = NULL;
    size_t offset = 0;
    const char *line = chunk->lines[bad];
    if (json_check(line, strlen(line), &wrong, &offset)) {
        text_append_safe(&safe, without_place(why.text), false);
    } else {
        strbuf_printf(&safe, "no JSON: %s, at byte %zu", wrong, offset + 1);
    }
    cli_say("%s:%" PRId64 ": %s", source->name, chunk->numbers[bad], safe.text);
    say_enqueued(enqueued);
    if (enqueued > 0) {
        say_how_to_go_on(source, chunk->numbers[0]);
    }
    strbuf_free(&safe);
    strbuf_free(&why);
    return EXIT_CODE_FAILED;
}

static int run_failed(Cli *cli, const Chunk *chunk, const Source *source, Status status,
                      int64_t enqueued)
{
    const char *sqlstate = db_sqlstate(cli->db);
    // Class 42 is about the schema or a permission, not about a line; 42704 is a name in one.
    bool is_about_line = status != STATUS_LOST && status != STATUS_RETRY &&
                         (strncmp(sqlstate, "42", 2) != 0 || str_equal(sqlstate, "42704"));
    if (is_about_line) {
        return say_refused(cli, chunk, source, enqueued);
    }
    // A commit may have happened without its answer reaching us.
    if (status == STATUS_LOST && db_is_unknown(cli->db)) {
        int exit_code = cli_fail_change(cli, status, "look before you give the rest again");
        say_enqueued(enqueued);
        cli_say("those from line %" PRId64 " to %" PRId64 " perhaps too", chunk->numbers[0],
                source->line);
        return exit_code;
    }
    int exit_code = cli_fail_statement(cli, status);
    say_enqueued(enqueued);
    return exit_code;
}

// Adds the ids of a chunk to those for --json.
static void keep_ids(StrBuf *ids, const PGresult *result)
{
    if (PQntuples(result) > 0) {
        strbuf_printf(ids, "%s%s", ids->length > 0 ? ", " : "", db_text(result, 0, "ids"));
    }
}

static int run_chunks(Cli *cli, Source *source, Chunk *chunk, int64_t *enqueued, StrBuf *ids)
{
    Progress progress;
    int exit_code = EXIT_CODE_OK;
    Fill fill = FILL_CHUNK;
    progress_begin(&progress, cli->is_talk_shown, cli->talk_width, "jobs");
    while (fill == FILL_CHUNK && exit_code == EXIT_CODE_OK) {
        PGresult *result = NULL;
        fill = chunk_fill(chunk, source);
        if (fill == FILL_BAD) {
            progress_end(&progress);
            say_enqueued(*enqueued);
            exit_code = EXIT_CODE_FAILED;
            break;
        }
        Status status =
            chunk->count > 0 ? enqueue_lines(cli, chunk, chunk->count, &result) : STATUS_OK;
        if (status == STATUS_OK) {
            *enqueued += chunk->count;
            if (cli->is_json) {
                keep_ids(ids, result);
            }
            progress_update(&progress, *enqueued, source->bytes, source->total_bytes);
        } else {
            progress_end(&progress);
            exit_code = run_failed(cli, chunk, source, status, *enqueued);
        }
        PQclear(result);
        chunk_clear(chunk);
    }
    chunk_clear(chunk);
    progress_end(&progress);
    return exit_code;
}

static void print_enqueued(const Cli *cli, int exit_code, int64_t enqueued, int64_t took_ms,
                           const StrBuf *ids)
{
    char took[TEXT_SHORT_BYTES];
    text_duration(took_ms, took, sizeof took);
    if (cli->is_json) {
        // After a failure, too: those of the chunks before are there.
        (void)printf("{\"ids\": [%s], \"enqueued\": %" PRId64 "}\n", ids->text ? ids->text : "",
                     enqueued);
    } else if (exit_code == EXIT_CODE_OK && enqueued == 0) {
        say_enqueued(0);
    } else if (exit_code == EXIT_CODE_OK) {
        (void)printf("enqueued %" PRId64 " job%s in %s\n", enqueued, enqueued == 1 ? "" : "s",
                     took);
    }
}

int enqueue_many_run(Cli *cli, const char *path)
{
    bool is_stdin = str_equal(path, "-");
    struct stat info;
    Source source = {.name = is_stdin ? "standard input" : path,
                     .is_stdin = is_stdin,
                     .file = is_stdin ? stdin : fopen(path, "re")};
    if (!source.file) {
        cli_say("%s: %s", path, strerror(errno));
        return EXIT_CODE_FAILED;
    }
    if (fstat(fileno(source.file), &info) == 0 && S_ISREG(info.st_mode)) {
        source.total_bytes = info.st_size;
    }
    int64_t enqueued = 0;
    int64_t started_at = clock_boot_ms();
    StrBuf ids = {0};
    Chunk *chunk = mem_alloc(sizeof *chunk);
    int exit_code = cli_require_schema(cli);
    if (exit_code == EXIT_CODE_OK) {
        exit_code = run_chunks(cli, &source, chunk, &enqueued, &ids);
        print_enqueued(cli, exit_code, enqueued, clock_boot_ms() - started_at, &ids);
    }
    if (!is_stdin) {
        (void)fclose(source.file);
    }
    strbuf_free(&ids);
    free(chunk);
    return exit_code;
}
