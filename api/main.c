// SPDX-License-Identifier: MIT
// ganger-api: started by gangerd, never by hand. One thread: libev waits, libmicrohttpd and libpq are called from its events.
#include <errno.h>
#include <ev.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/confine.h"
#include "api/files.h"
#include "api/metrics.h"
#include "api/pool.h"
#include "api/ready.h"
#include "api/server.h"
#include "api/stream.h"
#include "api/throttle.h"
#include "api/token_cache.h"
#include "api/waiters.h"
#include "common/base/clock.h"
#include "common/base/exit_code.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/privacy.h"
#include "common/base/signals.h"

enum {
    ALIVE_PERIOD_MS = 1000,
    TERMINATE_LIMIT_MS = 1500, // the supervisor waits for two seconds
    HANG_UP_LIMIT_MS = 10000
};

typedef struct Process {
    Api api;
    Slot *slot;
    ExitCode exit_code;
    ev_io lifeline;
    ev_timer alive;
    ev_signal terminate;
    ev_signal hang_up;
} Process;

static void set_state(Process *self, SlotState state)
{
    atomic_fetch_add(&self->slot->state_serial, 1);
    atomic_store(&self->slot->state, state);
    atomic_store(&self->slot->changed_at, clock_boot_ms());
}

static void on_alive(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    Process *self = watcher->data;
    atomic_store(&self->slot->changed_at, clock_boot_ms());
}

static void on_drained(void *data)
{
    Process *self = data;
    ev_break(self->api.loop, EVBREAK_ALL);
}

static void leave(Process *self, ExitCode code, int64_t limit_ms)
{
    if (self->api.is_leaving) {
        return;
    }
    self->api.is_leaving = true;
    self->exit_code = code;
    set_state(self, SLOT_STOPPING);
    log_info("http.leaving", "connections=%d", server_connection_count(self->api.server));
    waiters_hurry(self->api.waiters);
    server_drain(self->api.server, limit_ms, on_drained, self);
}

static void on_lifeline(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    Process *self = watcher->data;
    log_warn("http.orphaned", "reason=\"the supervisor is gone\"");
    self->exit_code = EXIT_CODE_FAILED;
    ev_break(loop, EVBREAK_ALL);
}

static void on_terminate(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop;
    (void)events;
    leave(watcher->data, EXIT_CODE_OK, TERMINATE_LIMIT_MS);
}

// A new configuration: the next process reads it.
static void on_hang_up(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop;
    (void)events;
    leave(watcher->data, EXIT_CODE_RECYCLED, HANG_UP_LIMIT_MS);
}

static void start_watchers(Process *self)
{
    struct ev_loop *loop = self->api.loop;
    ev_io_init(&self->lifeline, on_lifeline, FD_LIFELINE, EV_READ);
    ev_timer_init(&self->alive, on_alive, 0, ALIVE_PERIOD_MS / 1e3);
    ev_signal_init(&self->terminate, on_terminate, SIGTERM);
    ev_signal_init(&self->hang_up, on_hang_up, SIGHUP);
    self->lifeline.data = self->alive.data = self->terminate.data = self->hang_up.data = self;
    ev_io_start(loop, &self->lifeline);
    ev_timer_start(loop, &self->alive);
    ev_signal_start(loop, &self->terminate);
    ev_signal_start(loop, &self->hang_up);
}

typedef struct CommandLine {
    int slot;
    unsigned generation;
} CommandLine;

static CommandLine read_command_line(int argc, char **argv)
{
    static const struct option options[] = {
        {"slot", required_argument, NULL, 's'},
        {"generation", required_argument, NULL, 'g'},
        {NULL, 0, NULL, 0},
    };
    CommandLine line = {.slot = -1};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 's') {
            line.slot = (int)strtol(optarg, NULL, 10);
        } else if (option == 'g') {
            line.generation = (unsigned)strtoul(optarg, NULL, 10);
        } else {
            line.slot = -1;
            break;
        }
    }
    if (line.slot < 0) {
        log_fatal("http.usage", "hint=\"gangerd starts this program\"");
        exit(EXIT_CODE_USAGE);
    }
    return line;
}

// STATUS_FATAL: nothing to listen on (logged).
static Status start(Process *self, const Config *config, Scoreboard *board)
{
    Api *api = &self->api;
    api->loop = ev_default_loop(EVFLAG_AUTO);
    api->config = config;
    api->board = board;
    start_watchers(self);
    // libpq looks a host up in this thread: a name server that does not answer holds everything up, but not for long.
    (void)setenv("RES_OPTIONS", "timeout:1 attempts:1", 0);
    api->throttle = throttle_create();
    api->files = files_create(config->http_dashboard);
    const char *url =
        config->http_database_url != NULL ? config->http_database_url : config->database_url;
    api->pool = pool_create(api->loop, url, "ganger-api", (int)config->http_connections);
    if (config->http_auth == HTTP_AUTH_TOKENS) {
        api->tokens = token_cache_create(api);
    }
    api->metrics = metrics_create(api);
    api->streams = stream_hub_create(api);
    api->waiters = waiters_create(api);
    api->ready = ready_create(api);
    TRY(server_create(&api->server, api));
    if (!confine_enter()) {
        log_warn("http.unconfined", "reason=\"%s\"", strerror(errno));
    }
    return STATUS_OK;
}

// Suspended requests must have their answers before libmicrohttpd is stopped: the pool ends first, and the waiting for tokens. These stay until nothing is
// admitted any more: without them every request would be good, or looked up in what is freed.
static void stop(Process *self)
{
    Api *api = &self->api;
    metrics_destroy(api->metrics);
    api->metrics = NULL; // streams are closed with the server
    pool_close(api->pool);
    token_cache_close(api->tokens);
    server_destroy(api->server);
    token_cache_destroy(api->tokens);
    stream_hub_destroy(api->streams);
    waiters_destroy(api->waiters);
    ready_destroy(api->ready);
    pool_destroy(api->pool);
    files_destroy(api->files);
    throttle_destroy(api->throttle);
    ev_loop_destroy(api->loop);
}

int main(int argc, char **argv)
{
    log_init("api", LOG_FORMAT_AUTO, LOG_LEVEL_INFO);
    signals_ignore_pipe();
    signal(SIGINT, SIG_IGN); // the supervisor decides what Ctrl-C means
    CommandLine line = read_command_line(argc, argv);
    Config *config = NULL;
    Scoreboard *board = NULL;
    if (config_from_fd(&config, FD_CONFIG) != STATUS_OK ||
        scoreboard_attach_reader(&board, FD_SCOREBOARD, line.slot) != STATUS_OK) {
        return EXIT_CODE_INTERNAL;
    }
    inherited_fd_settle();
    if (!config->core_dumps) {
        privacy_begin();
    }
    log_init("api", config->log_format, config->log_level);
    static Process self;
    self.slot = scoreboard_slot(board, line.slot);
    if (self.slot == NULL) {
        log_fatal("http.usage", "slot=%d", line.slot);
        return EXIT_CODE_INTERNAL;
    }
    log_set_panic_note(self.slot->note, sizeof self.slot->note);
    atomic_store(&self.slot->child_generation, line.generation);

    self.exit_code = EXIT_CODE_FAILED;
    if (start(&self, config, board) == STATUS_OK) {
        set_state(&self, SLOT_IDLE);
        signals_release();
        ev_run(self.api.loop, 0);
    }
    stop(&self);
    scoreboard_destroy(board);
    config_destroy(config);
    return (int)self.exit_code;
}
