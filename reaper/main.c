// SPDX-License-Identifier: MIT
// ganger-reaper: started by gangerd, never by hand. libev waits; reaper_turn does what is due.
#include <ev.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "common/base/privacy.h"
#include "common/base/signals.h"
#include "reaper/leave.h"
#include "reaper/reaper.h"

typedef struct Loop {
    struct ev_loop *ev;
    Reaper reaper;
    ev_io wake;
    ev_io lifeline;
    ev_io database;
    unsigned
        connections; // the one the watcher follows: a new one may have the old one's descriptor
    ev_timer timer;
    ev_signal terminate;
    ev_signal hang_up;
} Loop;

static void follow_connection(Loop *self)
{
    const Reaper *reaper = &self->reaper;
    if (reaper->db == NULL || reaper->deaf_until != 0) {
        ev_io_stop(self->ev, &self->database);
    } else if (reaper->connections != self->connections || !ev_is_active(&self->database)) {
        ev_io_stop(self->ev, &self->database);
        ev_io_set(&self->database, db_socket(reaper->db), EV_READ);
        ev_io_start(self->ev, &self->database);
        self->connections = reaper->connections;
    }
}

static void take_turn(Loop *self)
{
    Reaper *reaper = &self->reaper;
    if (reaper->is_leaving) {
        return; // the loop ends with what else was pending, and nothing may be done after the last duty
    }
    int64_t next = reaper_turn(reaper, clock_boot_ms());
    follow_connection(self);
    if (reaper->is_leaving) {
        ev_break(self->ev, EVBREAK_ALL);
        return;
    }
    int64_t wait_ms = next - clock_boot_ms();
    self->timer.repeat = wait_ms > 1 ? (double)wait_ms / 1e3 : 1e-3;
    ev_now_update(self->ev);
    ev_timer_again(self->ev, &self->timer);
}

static void on_timer(struct ev_loop *ev, ev_timer *watcher, int events)
{
    (void)ev;
    (void)events;
    take_turn(watcher->data);
}

static void on_wake(struct ev_loop *ev, ev_io *watcher, int events)
{
    (void)ev;
    (void)events;
    Loop *self = watcher->data;
    uint64_t sum = 0;
    if (read(FD_WAKE, &sum, sizeof sum) == (ssize_t)sizeof sum) {
        reaper_on_wake(&self->reaper, sum);
        take_turn(self);
    }
}

static void on_database(struct ev_loop *ev, ev_io *watcher, int events)
{
    (void)ev;
    (void)events;
    Loop *self = watcher->data;
    reaper_on_database(&self->reaper);
    take_turn(self);
}

static void on_lifeline(struct ev_loop *ev, ev_io *watcher, int events)
{
    (void)events;
    Loop *self = watcher->data;
    leave_last_duty(&self->reaper);
    self->reaper.exit_code = EXIT_CODE_OK;
    self->reaper.is_leaving = true;
    ev_break(ev, EVBREAK_ALL);
}

static void on_terminate(struct ev_loop *ev, ev_signal *watcher, int events)
{
    (void)events;
    Loop *self = watcher->data;
    if (getppid() != self->reaper.header->supervisor_pid) {
        return; // the death signal of a dead supervisor: the lifeline tells it too, and leads to the last duty
    }
    leave_in_order(&self->reaper, false);
    self->reaper.exit_code = EXIT_CODE_OK;
    self->reaper.is_leaving = true;
    ev_break(ev, EVBREAK_ALL);
}

static void on_hang_up(struct ev_loop *ev, ev_signal *watcher, int events)
{
    (void)events;
    Loop *self = watcher->data;
    leave_in_order(&self->reaper, true); // a new configuration: the next reaper reads it
    self->reaper.exit_code = EXIT_CODE_RECYCLED;
    self->reaper.is_leaving = true;
    ev_break(ev, EVBREAK_ALL);
}

static void start_watchers(Loop *self)
{
    ev_io_init(&self->wake, on_wake, FD_WAKE, EV_READ);
    ev_io_init(&self->lifeline, on_lifeline, FD_LIFELINE, EV_READ);
    ev_io_init(&self->database, on_database, 0, EV_READ);
    ev_init(&self->timer, on_timer);
    ev_signal_init(&self->terminate, on_terminate, SIGTERM);
    ev_signal_init(&self->hang_up, on_hang_up, SIGHUP);
    self->wake.data = self->lifeline.data = self->database.data = self;
    self->timer.data = self->terminate.data = self->hang_up.data = self;
    ev_io_start(self->ev, &self->wake);
    ev_io_start(self->ev, &self->lifeline);
    ev_signal_start(self->ev, &self->terminate);
    ev_signal_start(self->ev, &self->hang_up);
}

static unsigned read_generation(int argc, char **argv)
{
    static const struct option options[] = {
        {"slot", required_argument, NULL, 's'},
        {"generation", required_argument, NULL, 'g'},
        {NULL, 0, NULL, 0},
    };
    unsigned generation = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'g') {
            generation = (unsigned)strtoul(optarg, NULL, 10);
        } else if (option == '?') {
            log_fatal("reaper.usage", "hint=\"gangerd starts this program\"");
            exit(EXIT_CODE_USAGE);
        }
    }
    return generation;
}

int main(int argc, char **argv)
{
    log_init("reaper", LOG_FORMAT_AUTO, LOG_LEVEL_INFO);
    signals_ignore_pipe();
    signal(SIGINT, SIG_IGN); // the supervisor decides what Ctrl-C means
    unsigned generation = read_generation(argc, argv);
    Config *config = NULL;
    Scoreboard *board = NULL;
    if (config_from_fd(&config, FD_CONFIG) != STATUS_OK ||
        scoreboard_attach(&board, FD_SCOREBOARD, -1) != STATUS_OK) {
        return EXIT_CODE_INTERNAL;
    }
    inherited_fd_settle();
    if (!config->core_dumps) {
        privacy_begin();
    }
    log_init("reaper", config->log_format, config->log_level);
    Slot *slot = scoreboard_slot(board, 0);
    log_set_panic_note(slot->note, sizeof slot->note);
    atomic_store(&slot->child_generation, generation);

    static Loop loop; // the watch over other nodes is large
    loop.ev = ev_default_loop(EVFLAG_AUTO);
    reaper_init(&loop.reaper, config, board);
    start_watchers(&loop);
    signals_release();
    take_turn(&loop);
    if (!loop.reaper.is_leaving) {
        ev_run(loop.ev, 0);
    }
    ExitCode code = loop.reaper.exit_code;
    reaper_deinit(&loop.reaper);
    ev_loop_destroy(loop.ev);
    scoreboard_destroy(board);
    config_destroy(config);
    return (int)code;
}
