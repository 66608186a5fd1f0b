// SPDX-License-Identifier: MIT
// Commands about the tokens of the HTTP API. The token itself is made here, printed once, and goes nowhere else.
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli/changes.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "common/base/exit_code.h"
#include "common/crypto/digest.h"
#include "sql_queries.h"

#define TOKEN_PREFIX "gng_"

enum {
    SECRET_BYTES = 32,
    SECRET_LETTERS = 43, // of base64url, without padding
    TOKEN_SIZE = sizeof TOKEN_PREFIX + SECRET_LETTERS
};

// RFC 4648, section 5.
static void append_base64url(const unsigned char *bytes, size_t count, char *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    int held = 0;
    for (size_t i = 0; i < count; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 6; held -= 6) {
            *out++ = letters[bits >> (held - 6) & 63];
        }
    }
    if (held > 0) {
        *out++ = letters[bits << (6 - held) & 63];
    }
    *out = '\0';
}

static bool make_token(char token[TOKEN_SIZE], char hash[DIGEST_HEX_BYTES])
{
    unsigned char secret[SECRET_BYTES];
    unsigned char digest[DIGEST_BYTES];
    if (digest_random(secret, sizeof secret) != STATUS_OK) {
        cli_say("this machine has no random numbers");
        return false;
    }
    (void)snprintf(token, TOKEN_SIZE, "%s", TOKEN_PREFIX);
    append_base64url(secret, sizeof secret, token + strlen(TOKEN_PREFIX));
    digest_sha256(token, strlen(token), digest);
    digest_hex(digest, hash);
    return true;
}

// The token is put into the object that PostgreSQL made without it.
static int print_token(struct Cli *cli, const PGresult *result, const char *token)
{
    if (cli->is_json) {
        (void)printf("{\"token\": \"%s\", %s\n", token, db_text(result, 0, "json") + 1);
    } else {
        (void)puts(token);
    }
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        cli_say("the token could not be written, so nobody knows it: `ganger api-tokens revoke "
                "%" PRId64 "`, and make another",
                db_int(result, 0, "id", 0));
        cli->is_output_said = true;
        return EXIT_CODE_INTERNAL;
    }
    if (cli->is_talk_shown) {
        (void)fputs("this is the only time it is shown\n", stderr);
    }
    return EXIT_CODE_OK;
}

int command_api_tokens_create(struct Cli *cli)
{
    char token[TOKEN_SIZE];
    char hash[DIGEST_HEX_BYTES];
    int64_t good_ms = 0;
    int exit_code = EXIT_CODE_OK;
    bool has_end = cli_option(cli, OPT_EXPIRES) != NULL;
    if (!cli_option(cli, OPT_SCOPE)) {
        return cli_usage(cli, "say what the token may do: --scope %s, or several with commas",
                         "read|enqueue|work|operate|admin");
    }
    if (has_end && !cli_read_duration(cli, OPT_EXPIRES, &good_ms, &exit_code)) {
        return exit_code;
    }
    if (!make_token(token, hash)) {
        return EXIT_CODE_INTERNAL;
    }
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_text(&params, cli->line.args[0]);
    db_param_text(&params, hash);
    db_param_text(&params, cli_option(cli, OPT_SCOPE));
    db_param_text(&params, cli_option(cli, OPT_OWNER));
    db_param_text(&params, cli_option(cli, OPT_QUEUES));
    db_param_int_or_null(&params, good_ms, has_end);
    exit_code =
        cli_change_or(cli, &SQL_cli_api_token_create, &params,
                      "`ganger api-tokens list` shows whether it was made; nobody knows it, "
                      "so revoke it, and make another",
                      &result);
    if (exit_code == EXIT_CODE_OK) {
        exit_code = print_token(cli, result, token);
    }
    PQclear(result);
    return exit_code;
}

int command_api_tokens_list(struct Cli *cli)
{
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_bool(&params, cli_option(cli, OPT_ALL) != NULL);
    int exit_code = cli_query(cli, &SQL_cli_api_tokens, &params, &result);
    if (exit_code == EXIT_CODE_OK) {
        output_rows(cli, result,
                    "no tokens; `ganger api-tokens create NAME --scope read` makes one");
    }
    PQclear(result);
    return exit_code;
}

int command_api_tokens_revoke(struct Cli *cli)
{
    static const ChangeWords words = {"token", true, "revoked", NULL, NULL};
    return changes_by_name(cli, &SQL_cli_api_tokens_revoke, &words);
}
