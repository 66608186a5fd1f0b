// SPDX-License-Identifier: MIT
// ganger-worker: started by gangerd, never by hand.
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "common/base/privacy.h"
#include "common/base/signals.h"
#include "worker/worker.h"

static void on_nudge(int signal)
{
    (void)signal; // interrupts system calls of the handler; the slot says what is meant
}

static void set_signals(void)
{
    signals_ignore_pipe();
    struct sigaction nudge = {.sa_handler =
                                  on_nudge}; // no SA_RESTART: a sleeping handler shall notice
    sigemptyset(&nudge.sa_mask);
    sigaction(SIGTERM, &nudge, NULL);
    sigaction(SIGUSR1, &nudge, NULL); // from our own watchdog thread
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGINT, &ignore, NULL);
    sigaction(SIGHUP, &ignore, NULL);
}

// --slot N --generation G, from the supervisor.
static bool read_arguments(int argc, char **argv, int *slot, unsigned *generation)
{
    static const struct option options[] = {
        {"slot", required_argument, NULL, 's'},
        {"generation", required_argument, NULL, 'g'},
        {NULL, 0, NULL, 0},
    };
    *slot = -1;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 's') {
            *slot = (int)strtol(optarg, NULL, 10);
        } else if (option == 'g') {
            *generation = (unsigned)strtoul(optarg, NULL, 10);
        } else {
            return false;
        }
    }
    return *slot >= 0;
}

int main(int argc, char **argv)
{
    int slot_number = -1;
    unsigned generation = 0;
    log_init("worker", LOG_FORMAT_AUTO, LOG_LEVEL_INFO);
    set_signals();
    if (!read_arguments(argc, argv, &slot_number, &generation)) {
        log_fatal("worker.usage", "hint=\"gangerd starts this program\"");
        return EXIT_CODE_USAGE;
    }
    Config *config = NULL;
    Scoreboard *board = NULL;
    if (config_from_fd(&config, FD_CONFIG) != STATUS_OK ||
        scoreboard_attach(&board, FD_SCOREBOARD, slot_number) != STATUS_OK) {
        return EXIT_CODE_INTERNAL;
    }
    inherited_fd_settle();
    if (!config->core_dumps) {
        privacy_begin();
    }
    log_init("worker", config->log_format, config->log_level);
    log_set_slot(slot_number);
    Slot *slot = scoreboard_slot(board, slot_number);
    log_set_panic_note(slot->note, sizeof slot->note);
    if (slot->pool < 0 || (size_t)slot->pool >= config->pool_count) {
        log_fatal("worker.no_pool", "pool=%d", slot->pool);
        return EXIT_CODE_INTERNAL;
    }
    // Orphans of a job's processes come to this process, which ends them with the attempt.
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
        log_fatal("worker.no_subreaper", "error=\"%s\"", strerror(errno));
        return EXIT_CODE_INTERNAL;
    }
    static Worker worker; // its batch is too large for a stack
    worker = (Worker){
        .config = config,
        .pool = &config->pools[slot->pool],
        .header = scoreboard_header(board),
        .slot = slot,
    };
    atomic_store(&slot->child_generation, generation);
    if (deadman_start(&worker.deadman, worker.header, slot) != STATUS_OK) {
        return EXIT_CODE_INTERNAL;
    }
    return (int)worker_run(&worker);
}
