// SPDX-License-Identifier: MIT
// gangerd: the supervisor. Reads its orders, takes its place, and hands over to the loop.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/config.h"
#include "common/base/exit_code.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/privacy.h"
#include "common/base/seeded_bug.h"
#include "common/base/signals.h"
#include "common/base/std_streams.h"
#include "supervisor/command_line.h"
#include "supervisor/pidfile.h"
#include "supervisor/supervisor.h"
#include "supervisor/user.h"

static ExitCode check(Config *config, const SupervisorOptions *options);
static ExitCode run(Config *config, const SupervisorOptions *options);
static ExitCode supervise(Config *config, const SupervisorOptions *options, const User *user);
static bool has_database(const Config *config, const SupervisorOptions *options);
static Status prepare_process(void);
static Status drop_rights(const User *user, const SupervisorOptions *options);
static void set_privacy(const Config *config);

int main(int argc, char **argv)
{
    CommandLine line;
    StrBuf errors = {0};
    Config *config = NULL;

    std_streams_fill();
    command_line_read(&line, argc, argv);
    if (line.is_done) {
        return (int)line.code;
    }
    Status status = config_load(&config, line.options.config_path, &errors);
    if (errors.text != NULL) {
        fputs(errors.text, stderr);
    }
    strbuf_free(&errors);
    if (status != STATUS_OK) { // nothing is wrong with the file when memory was lacking: try again
        return status == STATUS_FATAL ? EXIT_CODE_INTERNAL : EXIT_CODE_CONFIG;
    }
    log_init("supervisor", config->log_format, config->log_level);
    if (line.check) {
        return (int)check(config, &line.options);
    }
    SEEDED_BUG_CHECK();
    return (int)run(config, &line.options);
}

// A configuration gangerd would not start with is not fine.
static ExitCode check(Config *config, const SupervisorOptions *options)
{
    bool is_fine = user_check(config->user) == STATUS_OK; // says so itself

    if (!has_database(config, options)) {
        fputs("gangerd: error: no database is named: set DATABASE_URL as for the service, or "
              "database.url in "
              "the configuration file\n",
              stderr);
        is_fine = false;
    }
    if (is_fine) {
        puts("configuration is fine");
    }
    config_destroy(config);
    return is_fine ? EXIT_CODE_OK : EXIT_CODE_CONFIG;
}

static ExitCode run(Config *config, const SupervisorOptions *options)
{
    User user;
    int pidfile = -1;
    ExitCode code = EXIT_CODE_CONFIG;

    if (!has_database(config, options)) {
        log_fatal(
            "database.missing",
            "mend=\"set DATABASE_URL, or database.url in the configuration file; `ganger dev` "
            "brings its own database\"");
    } else if (prepare_process() != STATUS_OK) {
        code = EXIT_CODE_INTERNAL;
    } else if (user_find(&user, config->user) == STATUS_OK &&
               pidfile_take(&pidfile, config->state_dir, config->node_name, &user) == STATUS_OK) {
        code = supervise(config, options, &user);
        pidfile_release(pidfile);
        return code;
    }
    config_destroy(config);
    return code;
}

static ExitCode supervise(Config *config, const SupervisorOptions *options, const User *user)
{
    Supervisor *supervisor = NULL;
    ExitCode code = EXIT_CODE_INTERNAL;

    config_pin_defaults(config);
    Status status = supervisor_create(&supervisor, config, options, user);
    if (status == STATUS_REFUSED) {
        code = EXIT_CODE_CONFIG;
    } else if (status == STATUS_OK && drop_rights(user, options) == STATUS_OK) {
        set_privacy(config);
        code = supervisor_run(supervisor);
    }
    supervisor_destroy(supervisor);
    return code;
}

static bool has_database(const Config *config, const SupervisorOptions *options)
{
    return config->database_url != NULL || options->postgres.bin != NULL;
}

static Status prepare_process(void)
{
    signals_ignore_pipe();
    signals_ignore_unused();
    // What our parent left open is none of our children's business.
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);

    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing >= 0) {
        (void)dup2(nothing, STDIN_FILENO);
        close(nothing);
    }
    // Orphans of dead workers come up to us, so that nothing they started outlives their obituary.
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        log_fatal("process.refused", "error=\"prctl\"");
        return STATUS_FATAL;
    }
    return STATUS_OK;
}

static Status drop_rights(const User *user, const SupervisorOptions *options)
{
    if (geteuid() == 0 && !user->is_set) {
        log_warn("supervisor.root",
                 "reason=\"handlers run with all rights\" mend=\"set supervisor.user\"");
    }
    // The private server runs as another user than we do, and may have to be started again.
    if (options->postgres.user != NULL) {
        return STATUS_OK;
    }
    if (!user_become(user)) {
        log_fatal("user.refused", "uid=%u error=\"cannot give up the rights of root\"",
                  (unsigned)user->uid);
        return STATUS_FATAL;
    }
    return STATUS_OK;
}

// After the change of user, which decides it, too.
static void set_privacy(const Config *config)
{
    if (config->core_dumps) {
        (void)prctl(PR_SET_DUMPABLE, 1);
    } else {
        privacy_begin();
    }
}
