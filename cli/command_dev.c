// SPDX-License-Identifier: MIT
// Command dev: a private PostgreSQL and gangerd on it. Everything is prepared here; then this process
// becomes gangerd, which starts the server as its child.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/dev_http.h"
#include "cli/dev_postgres.h"
#include "cli/dev_state.h"
#include "common/base/clock.h"
#include "common/base/exit_code.h"
#include "common/base/paths.h"

typedef struct Dev {
    char *state;  // absolute path of the state folder
    char *again;  // "ganger dev", with --state when that was given: for what is said to do next
    char *data;   // the cluster in it
    char *socket; // folder of the socket
    char *config; // configuration for gangerd
    char *url;
    char *gangerd;
    char *http; // what to open in a browser; NULL: there is no HTTP API
    DevUser user;
    DevServer server;
    bool is_new;   // the cluster was made just now
    bool has_echo; // the configuration has the job type echo
} Dev;

static bool prepare_folders(const struct Cli *cli, Dev *dev, StrBuf *why)
{
    const char *http = cli_option(cli, OPT_HTTP);
    if (http && dev_http_check(http, why) != STATUS_OK) { // before anything is made
        return false;
    }
    const char *given = cli_option(cli, OPT_STATE);
    char *usual = given ? NULL : dev_state_default_dir();
    if (!given && !usual) {
        strbuf_append(why, "HOME is not set: name a state folder with --state DIR");
        return false;
    }
    dev->state = dev_state_make_dir(given ? given : usual, why);
    free(usual);
    if (dev->state && given) {
        dev->again = mem_printf("ganger dev --state %s", dev->state);
    } else {
        dev->again = mem_strdup("ganger dev");
    }
    if (!dev->state || dev_user_find(&dev->user, why) != STATUS_OK ||
        dev_state_lock(dev->state, why) < 0) {
        return false;
    }
    dev->data = mem_printf("%s/pg", dev->state);
    dev->socket = dev_socket_dir(dev->state, &dev->user, why);
    return dev->socket != NULL;
}

static bool find_server(Dev *dev, StrBuf *why)
{
    int major = dev_cluster_version(dev->data);
    StrBuf found = {0};
    bool is_found = dev_server_find(&dev->server, major, &found) == STATUS_OK;
    if (!is_found && major == 0) {
        strbuf_append(why,
                      "no PostgreSQL server is installed (looked at pg_config, "
                      "/usr/lib/postgresql/*/bin and PATH); on Debian: apt install postgresql. "
                      "Or use a database of your own: DATABASE_URL=... gangerd");
    } else if (!is_found) {
        strbuf_printf(why,
                      "the database in %s was made by PostgreSQL %d, and there is %s%s; install "
                      "PostgreSQL %d, or start with an empty database: %s --reset",
                      dev->state, major, found.length > 0 ? "only " : "none",
                      found.length > 0 ? found.text : "", major, dev->again);
    }
    strbuf_free(&found);
    return is_found;
}

static bool prepare_cluster(const struct Cli *cli, Dev *dev, StrBuf *why)
{
    // Whose it is comes first: a server of somebody else's is not to be waited for, and not to be stopped.
    if (dev_cluster_check_ours(dev->data, why) != STATUS_OK ||
        dev_cluster_wait_unused(dev->data, why) != STATUS_OK ||
        (cli_option(cli, OPT_RESET) && dev_cluster_delete(dev->data, why) != STATUS_OK) ||
        !find_server(dev, why)) {
        return false;
    }
    if (dev_cluster_version(dev->data) > 0) {
        return true;
    }
    if (access(dev->data, F_OK) == 0) {
        strbuf_printf(why, "%s is no whole PostgreSQL cluster; start with an empty one: %s --reset",
                      dev->data, dev->again);
        return false;
    }
    char *log_path = mem_printf("%s/initdb.log", dev->state);
    dev->is_new =
        dev_cluster_create(&dev->server, &dev->user, dev->data, log_path, why) == STATUS_OK;
    free(log_path);
    return dev->is_new;
}

// Where the HTTP API of our own configuration listens, *listen; NULL where there shall be, or can be, none.
static bool choose_http(const struct Cli *cli, char **listen, StrBuf *why)
{
    const char *asked = cli_option(cli, OPT_HTTP);
    *listen = NULL;
    if (cli_option(cli, OPT_NO_HTTP)) {
        return true;
    }
    const char *named = getenv("GANGER_API");
    char *program = named ? mem_strdup(named) : path_program("ganger-api");
    bool is_there = program != NULL;
    free(program);
    if (!is_there && !asked) {
        cli_say("note: ganger-api is not installed beside this program: no HTTP API, no dashboard");
        return true;
    }
    if (dev_http_choose(asked, DEV_HTTP_PORT, listen, why) != STATUS_OK) {
        return false;
    }
    char *usual = mem_printf("127.0.0.1:%d", DEV_HTTP_PORT);
    if (!asked && !str_equal(*listen, usual)) {
        cli_say("note: %s is taken: the HTTP API listens on %s", usual, *listen);
    }
    free(usual);
    return true;
}

// At the very end: a port that is free now should still be so when it is listened at.
static bool write_own_config(const struct Cli *cli, Dev *dev, StrBuf *why)
{
    StrBuf text = {0};
    char *listen = NULL;
    if (dev->config != NULL) { // one was given
        return true;
    }
    if (!choose_http(cli, &listen, why)) {
        return false;
    }
    dev->config = mem_printf("%s/dev.yaml", dev->state);
    strbuf_append(
        &text, "# Written by `ganger dev` at each start; give a file of your own with --config.\n"
               "database:\n"
               "  auto_migrate: true\n"
               "supervisor:\n"
               "  state_dir: ");
    strbuf_append_json(&text, dev->state);
    strbuf_append(&text, "\npools:\n"
                         "  default:\n"
                         "    queues: [default]\n"
                         "    processes: 2\n"
                         "handlers:\n"
                         "  noop: {plugin: noop.so}\n"
                         "  sleep: {plugin: noop.so}\n"
                         "  echo: {plugin: noop.so}\n");
    if (listen) {
        // Without tokens: a port of 127.0.0.1 is open to all users of this machine, unlike the database's socket, whose folder is
        // 0700. --help says so; a unix socket in a closed folder is for one user alone.
        strbuf_append(&text, "http:\n  auth: none\n  listen: ");
        strbuf_append_json(&text, listen);
        strbuf_append_char(&text, '\n');
        dev->http = dev_http_url(&(StringList){.items = &listen, .count = 1});
        free(listen);
    }
    Status status = dev_state_write_file(dev->config, text.text, 0644, why);
    strbuf_free(&text);
    return status == STATUS_OK;
}

static bool prepare_config(const struct Cli *cli, Dev *dev, int *exit_code, StrBuf *why)
{
    const char *given = cli_option(cli, OPT_CONFIG);
    char absolute[PATH_MAX];
    if (!given) {
        dev->has_echo = true;
        char *asked = NULL;
        bool is_fine = !cli_option(cli, OPT_HTTP) ||
                       dev_http_choose(cli_option(cli, OPT_HTTP), 0, &asked, why) == STATUS_OK;
        free(asked);
        return is_fine;
    }
    if (cli_option(cli, OPT_HTTP) || cli_option(cli, OPT_NO_HTTP)) {
        *exit_code = EXIT_CODE_USAGE;
        strbuf_printf(
            why, "--http and --no-http go without --config: the section http of %s decides", given);
        return false;
    }
    // Checked here, so that a mistake is said before a server is started for nothing.
    Config *config = NULL;
    *exit_code = cli_load_config(cli, &config);
    if (*exit_code != EXIT_CODE_OK) {
        strbuf_printf(why, "%s is not accepted", given);
        return false;
    }
    if (!config->auto_migrate) {
        cli_say("note: database.auto_migrate is off in %s: run `ganger migrate up` yourself",
                given);
    }
    dev->has_echo = config_find_handler(config, "echo") != NULL;
    dev->http = config->has_http ? dev_http_url(&config->http_listen) : NULL;
    config_destroy(config);
    if (!realpath(given, absolute)) {
        strbuf_printf(why, "%s: %s", given, strerror(errno));
        return false;
    }
    dev->config = mem_strdup(absolute);
    return true;
}

// gangerd and the server must see nothing of the caller's own database settings.
static void clean_environment(const Dev *dev)
{
    char name[64];
    for (char **entry = environ; *entry;) {
        size_t length = strcspn(*entry, "=");
        if (strncmp(*entry, "PG", 2) == 0 && length < sizeof name) {
            (void)snprintf(name, sizeof name, "%.*s", (int)length, *entry);
            (void)unsetenv(name); // moves the later entries up
        } else {
            entry++;
        }
    }
    (void)setenv("LC_ALL", "C", 1);
    (void)setenv("DATABASE_URL", dev->url, 1);
}

static void print_banner(const struct Cli *cli, const Dev *dev, int64_t took_ms)
{
    const char *strong = cli->is_talk_shown && cli->has_color ? "\033[1m" : "";
    const char *off = strong[0] != '\0' ? "\033[0m" : "";
    const char *database = getenv("DATABASE_URL");
    (void)fprintf(stderr,
                  "%sganger dev: a private development database, for this machine alone%s\n"
                  "  database  PostgreSQL %d in %s%s\n"
                  "  url       %s\n"
                  "  config    %s\n",
                  strong, off, dev->server.major, dev->data, dev->is_new ? " (new)" : "", dev->url,
                  dev->config);
    if (dev->http) {
        (void)fprintf(stderr, "  dashboard %s%s%s\n", strong, dev->http, off);
    }
    const char *option = cli_option(cli, OPT_STATE) ? " --state " : "";
    const char *state = cli_option(cli, OPT_STATE) ? dev->state : "";
    if (dev->has_echo) {
        (void)fprintf(stderr,
                      "  enqueue   ganger%s%s enqueue echo --payload '{\"hello\": \"world\"}'\n",
                      option, state);
    }
    (void)fprintf(stderr,
                  "  look      ganger%s%s jobs list\n"
                  "  stop      Ctrl-C; the data stays for the next start (--reset deletes it)\n",
                  option, state);
    if (database && database[0] != '\0' && !cli_option(cli, OPT_STATE)) {
        (void)fprintf(stderr,
                      "  note      DATABASE_URL is set here: for this database add --state %s to "
                      "other commands\n",
                      dev->state);
    }
    (void)fprintf(stderr, "  prepared in %lld ms\n\n", (long long)took_ms);
}

static int become_gangerd(const Dev *dev)
{
    char config_option[] = "-c";
    char bin_option[] = "--postgres-bin";
    char data_option[] = "--postgres-data";
    char socket_option[] = "--postgres-socket";
    char user_option[] = "--postgres-user";
    char *user = dev->user.name ? mem_strdup(dev->user.name) : NULL;
    char *argv[] = {
        dev->gangerd, config_option, dev->config,   bin_option,  dev->server.bin,
        data_option,  dev->data,     socket_option, dev->socket, user ? user_option : NULL,
        user,         NULL};
    clean_environment(dev);
    // The caller's folder may be closed to the server's user, or go away.
    if (chdir("/") == 0) {
        (void)execv(dev->gangerd, argv);
    }
    cli_say("cannot start %s: %s", dev->gangerd, strerror(errno));
    free(user);
    return EXIT_CODE_INTERNAL;
}

static void dev_free(Dev *dev)
{
    free(dev->state);
    free(dev->again);
    free(dev->data);
    free(dev->socket);
    free(dev->config);
    free(dev->url);
    free(dev->gangerd);
    free(dev->http);
    free(dev->server.bin);
}

int command_dev(struct Cli *cli)
{
    Dev dev = {0};
    StrBuf why = {0};
    int exit_code = EXIT_CODE_FAILED;
    int64_t started_at = clock_boot_ms();
    dev.gangerd = path_program("gangerd");
    if (!dev.gangerd) {
        strbuf_append(&why, "gangerd is not installed beside this program");
    } else if (prepare_folders(cli, &dev, &why) && prepare_config(cli, &dev, &exit_code, &why) &&
               prepare_cluster(cli, &dev, &why) && write_own_config(cli, &dev, &why)) {
        dev.url = mem_printf("host=%s dbname=postgres user=postgres", dev.socket);
        if (dev_state_publish(dev.state, dev.url, &why) == STATUS_OK) {
            print_banner(cli, &dev, clock_boot_ms() - started_at);
            exit_code = become_gangerd(&dev);
        }
    }
    if (exit_code != EXIT_CODE_OK && dev.socket) {
        // A short one stands outside of the state folder. It goes when it is empty.
        (void)rmdir(dev.socket);
    }
    if (why.length > 0) {
        cli_say("%s", why.text);
        exit_code = exit_code == EXIT_CODE_OK ? EXIT_CODE_FAILED : exit_code;
    }
    strbuf_free(&why);
    dev_free(&dev);
    return exit_code;
}
