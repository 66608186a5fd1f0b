// SPDX-License-Identifier: MIT
// Changes: what to say about things that were, or were not, changed.
#include "cli/changes.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/output.h"
#include "cli/text.h"
#include "common/base/exit_code.h"
#include "common/db/db_array.h"

// "job 12", "queue 'mail'"
static char *call_by_name(const ChangeWords *words, const char *id)
{
    StrBuf name = {0};
    strbuf_printf(&name, "%s %s", words->noun, words->is_named ? "'" : "");
    text_append_safe(&name, id, false);
    strbuf_append(&name, words->is_named ? "'" : "");
    return strbuf_take(&name);
}

static bool say_change(const PGresult *result, int row, const ChangeWords *words)
{
    const char *was = db_text(result, row, "was");
    const char *note =
        PQfnumber(result, "note_text") >= 0 ? db_text(result, row, "note_text") : NULL;
    char *name = call_by_name(words, db_text(result, row, "id"));
    bool is_done = db_bool(result, row, "done");
    if (is_done) {
        bool is_running = was && str_equal(was, "processing") && words->done_running;
        (void)printf("%s %s\n", name, is_running ? words->done_running : words->done);
    } else if (!was) {
        cli_say("there is no %s", name);
    } else if (!words->refused) {
        (void)printf("%s %s\n", name, was);
        is_done = true;
    } else {
        cli_say("%s %s: it is %s", name, words->refused, was);
    }
    if (note) {
        cli_say("%s %s", name, note);
    }
    free(name);
    return is_done;
}

int changes_print(const Cli *cli, PGresult *result, const ChangeWords *words)
{
    bool are_all_done = true;
    if (cli->is_json) {
        output_rows(cli, result, "");
    }
    for (int row = 0; row < PQntuples(result); row++) {
        bool is_done = cli->is_json ? db_bool(result, row, "done") ||
                                          (!words->refused && db_text(result, row, "was"))
                                    : say_change(result, row, words);
        are_all_done = are_all_done && is_done;
    }
    PQclear(result);
    return are_all_done ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

int changes_by_name(Cli *cli, const SqlStatement *statement, const ChangeWords *words)
{
    DbArray names;
    DbParams params;
    PGresult *result = NULL;
    db_array_begin(&names, DB_ELEMENT_TEXT);
    for (int i = 0; i < cli->line.arg_count; i++) {
        db_array_add_text(&names, cli->line.args[i]);
    }
    db_params_init(&params);
    db_param_array(&params, &names);
    int exit_code = cli_change(cli, statement, &params, &result);
    db_array_free(&names);
    return exit_code == EXIT_CODE_OK ? changes_print(cli, result, words) : exit_code;
}
