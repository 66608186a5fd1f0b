// SPDX-License-Identifier: MIT
// Runs a job through a child program: payload in, output, log and commands out, an end by process exit.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "common/base/signals.h"
#include "worker/apply_output.h"
#include "worker/exec_child.h"
#include "worker/exec_commands.h"
#include "worker/exec_output.h"
#include "worker/exec_text.h"
#include "worker/job_context.h"
#include "worker/job_steps.h"
#include "worker/job_waits.h"
#include "worker/runner.h"
#include "worker/sandbox.h"

enum {
    DRAIN_LIMIT_MS = 100,   // after the program's exit, for what a child of it may still write
    READ_BYTES = 64 * 1024, // as much as a pipe holds
    READ_COMMANDS_BYTES =
        4096,            // each line may wait for the database, and a stop must not wait for many
    RSS_SLACK_KIB = 1024 // the kernel counts pages in portions
};

typedef struct ExecRun {
    JobContext context;
    ExecChild child;
    size_t payload_sent;
    StrBuf out;       // stdout, capped
    size_t out_total; // all of it
    ExecLastLine last_line;
    ExecCommands commands;
    bool is_term_sent;
    int64_t kill_at;  // clock_boot_ms; 0 = the SIGKILL, if any, is the supervisor's
    bool is_orphaned; // the supervisor is gone
    bool has_status;
    int status; // wait status
    struct rusage usage;
    long own_peak_kib; // the worker's
} ExecRun;

static bool start(ExecRun *self, const HandlerConfig *config);
static JobOutcome watch_to_the_end(ExecRun *self);
static void watch(ExecRun *self);
static void drain(ExecRun *self);
static JobOutcome judge(ExecRun *self);
static int64_t cpu_time_us(const ExecRun *self);
static int64_t peak_bytes(const ExecRun *self);

void run_exec(const Handler *handler, RunContext *run, RunResult *result)
{
    ExecRun self = {.usage = {.ru_maxrss = -1}};
    run->settled = false;
    job_context_init(&self.context, run);
    exec_commands_init(&self.commands, &self.context);
    JobOutcome outcome = start(&self, handler->config) ? watch_to_the_end(&self) : OUTCOME_ERROR;
    job_context_flush(&self.context);
    const int64_t cpu_us = cpu_time_us(&self);
    const int64_t max_rss_bytes = peak_bytes(&self);
    if (outcome == OUTCOME_COMPLETED && handler->config->apply != NULL) {
        outcome = apply_output(&self.context, handler->config->apply, cpu_us, max_rss_bytes);
    }
    job_context_fill_result(&self.context, outcome, result);
    result->cpu_us = cpu_us;
    result->max_rss_bytes = max_rss_bytes;
    if (self.has_status && WIFEXITED(self.status)) {
        result->exit_code = WEXITSTATUS(self.status);
    } else if (self.has_status) {
        result->signal = WTERMSIG(self.status);
    }
    strbuf_free(&self.out);
    exec_commands_free(&self.commands);
    job_context_deinit(&self.context);
}

static int64_t cpu_time_us(const ExecRun *self)
{
    const struct rusage *usage = &self->usage;
    return usage->ru_maxrss < 0
               ? -1
               : ((int64_t)usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 +
                     usage->ru_utime.tv_usec + usage->ru_stime.tv_usec;
}

// A program inherits the peak of the process it is made from, so a smaller one of its own cannot be told.
static int64_t peak_bytes(const ExecRun *self)
{
    const bool is_own_peak = self->usage.ru_maxrss > self->own_peak_kib + RSS_SLACK_KIB;
    return is_own_peak ? (int64_t)self->usage.ru_maxrss * 1024 : -1;
}

// What a job that is started for the first time cannot have is not asked for.
static bool open_memory(ExecRun *self, ExecStart *wanted)
{
    JobContext *context = &self->context;
    if (job_steps_load(context) != GANGER_DONE) {
        char *why = mem_printf("its steps could not be read: %s", context->last_error);
        job_context_set_error(context, why);
        free(why);
        return false;
    }
    char *steps = job_memory_json(&context->memory);
    const char *waited = context->memory.waited;
    wanted->steps = exec_text_file(steps);
    wanted->waited = waited != NULL ? exec_text_file(waited) : -1;
    free(steps);
    if (wanted->steps < 0 || (waited != NULL && wanted->waited < 0)) {
        char *why = mem_printf("its steps could not be handed over: %s", strerror(errno));
        job_context_set_error(context, why);
        free(why);
        return false;
    }
    return true;
}

static bool start_child(ExecRun *self, ExecStart *wanted)
{
    StrBuf why = {0};
    signals_ignore_pipe(); // a program may close its stdin without reading
    char **environment = exec_environment(self->context.run->job, wanted->waited >= 0);
    wanted->environment = environment;
    const bool started = exec_child_start(&self->child, wanted, &why);
    free(environment);
    if (!started) {
        job_context_set_error(&self->context, why.text);
    }
    strbuf_free(&why);
    return started;
}

// False: the context's error says why not.
static bool start(ExecRun *self, const HandlerConfig *config)
{
    ExecStart wanted = {.argv = &config->exec,
                        .limits = &config->limits,
                        .has_sandbox =
                            config->sandbox && !sandbox_holds_process() && sandbox_is_available(),
                        .steps = -1,
                        .waited = -1};
    const bool started = open_memory(self, &wanted) && start_child(self, &wanted);
    if (wanted.steps >= 0) {
        close(wanted.steps);
    }
    if (wanted.waited >= 0) {
        close(wanted.waited);
    }
    return started;
}

static JobOutcome watch_to_the_end(ExecRun *self)
{
    struct rusage own;
    (void)getrusage(RUSAGE_SELF, &own); // after the start: the child stood in our memory until then
    self->own_peak_kib = own.ru_maxrss;
    FAULT_POINT(program_started);
    watch(self);
    FAULT_POINT(program_ended);
    self->has_status = true;
    drain(self);
    exec_child_close(&self->child);
    run_sweep_children();
    exec_last_line_end(&self->last_line);
    return judge(self);
}

static void close_end(int *fd)
{
    close(*fd);
    *fd = -1;
}

// --- what the program says

static void keep_stdout(ExecRun *self, const char *bytes, size_t length)
{
    const size_t room = EXEC_STDOUT_MAX_BYTES - self->out.length;
    self->out_total += length;
    strbuf_append_bytes(&self->out, bytes, length < room ? length : room);
}

static void keep_stderr(ExecRun *self, const char *bytes, size_t length)
{
    slot_log_append(self->context.run->slot, bytes, length);
    exec_last_line_feed(&self->last_line, bytes, length);
}

// --- moving bytes

// Reads once, `most` bytes at most; false when there is nothing now. An end of the pipe closes it.
static bool read_some(ExecRun *self, int *fd, size_t most)
{
    static char buffer[READ_BYTES];
    if (*fd < 0) {
        return false;
    }
    const ssize_t bytes = read(*fd, buffer, most);
    if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (bytes <= 0) {
        close_end(fd);
        return false;
    }
    if (fd == &self->child.out) {
        keep_stdout(self, buffer, (size_t)bytes);
    } else if (fd == &self->child.err) {
        keep_stderr(self, buffer, (size_t)bytes);
    } else {
        exec_commands_feed(&self->commands, buffer, (size_t)bytes);
    }
    return true;
}

// Writes what fits of the payload; closes stdin at its end, or when the program has closed it.
static void feed_payload(ExecRun *self)
{
    const Job *job = self->context.run->job;
    while (self->payload_sent < job->payload_length) {
        const ssize_t bytes = write(self->child.in, job->payload + self->payload_sent,
                                    job->payload_length - self->payload_sent);
        if (bytes < 0 && errno == EINTR) {
            continue;
        }
        if (bytes < 0 && errno == EAGAIN) {
            return;
        }
        if (bytes < 0) {
            break;
        }
        self->payload_sent += (size_t)bytes;
    }
    close_end(&self->child.in);
}

// --- watching

// The leader has not been reaped yet, so the number of its group cannot belong to others.
static void signal_group(const ExecRun *self, int number)
{
    const bool is_gone = kill(-self->child.pid, number) != 0 && errno == ESRCH;
    if (is_gone || number == SIGKILL) { // it may have joined another group
        (void)kill(self->child.pid, number);
    }
}

static void check_stop(ExecRun *self)
{
    if (!self->is_term_sent && job_context_should_stop(&self->context)) {
        self->is_term_sent = true;
        signal_group(self, SIGTERM);
        signal_group(self, SIGCONT);
        // After the grace comes the SIGKILL: from the supervisor, unless only this process knows that the
        // lease is lost.
        if (!run_should_stop(self->context.run)) {
            self->kill_at = clock_boot_ms() + self->context.run->job->kill_grace_ms;
        }
    }
    if (self->kill_at != 0 && clock_boot_ms() >= self->kill_at) {
        self->kill_at = 0;
        signal_group(self, SIGKILL); // what is not in the group goes with the sweep
    }
}

static int poll_time(const ExecRun *self)
{
    if (self->kill_at == 0) {
        return -1;
    }
    const int64_t left = self->kill_at - clock_boot_ms();
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static void check_wake(ExecRun *self, short lifeline, short wake)
{
    eventfd_t wakeups;
    if ((wake & POLLIN) != 0 && eventfd_read(FD_WAKE, &wakeups) != 0) {
        log_debug("worker.wake", "error=%d", errno);
    }
    if (lifeline != 0 && !self->is_orphaned) {
        self->is_orphaned = true;
        signal_group(self, SIGKILL);
    }
}

// True when the program has ended; it is reaped then.
static bool has_ended(ExecRun *self)
{
    const pid_t pid = wait4(self->child.pid, &self->status, WNOHANG, &self->usage);
    if (pid == 0) {
        self->usage.ru_maxrss = -1;
        return false;
    }
    if (pid < 0) { // somebody else's waitpid took it: what became of it is not known
        self->status = SIGKILL;
        self->usage.ru_maxrss = -1;
    }
    return true;
}

static void watch(ExecRun *self)
{
    ExecChild *child = &self->child;
    feed_payload(self);
    for (;;) {
        // Looked at before each poll; the supervisor writes FD_WAKE after raising it, so a stop
        // that comes in between ends the poll.
        check_stop(self);
        struct pollfd fds[] = {
            {.fd = child->pidfd, .events = POLLIN},
            {.fd = child->out, .events = POLLIN},
            {.fd = child->err, .events = POLLIN},
            {.fd = child->commands, .events = POLLIN},
            {.fd = child->in, .events = POLLOUT},
            {.fd = FD_WAKE, .events = POLLIN},
            {.fd = self->is_orphaned ? -1 : FD_LIFELINE, .events = POLLIN},
        };
        if (poll(fds, sizeof fds / sizeof fds[0], poll_time(self)) < 0) {
            continue; // a signal
        }
        (void)(fds[1].revents != 0 && read_some(self, &child->out, READ_BYTES));
        (void)(fds[2].revents != 0 && read_some(self, &child->err, READ_BYTES));
        (void)(fds[3].revents != 0 && read_some(self, &child->commands, READ_COMMANDS_BYTES));
        if (fds[4].revents != 0) {
            feed_payload(self);
        }
        check_wake(self, fds[6].revents, fds[5].revents);
        if (fds[0].revents != 0 && has_ended(self)) {
            return;
        }
    }
}

// The attempt ends with the process. Its children may hold the pipes for ever, so they get a moment only.
static void drain(ExecRun *self)
{
    exec_child_let_go(&self->child);
    int *const ends[] = {&self->child.out, &self->child.err, &self->child.commands};
    const int64_t deadline = clock_boot_ms() + DRAIN_LIMIT_MS;
    for (;;) {
        struct pollfd fds[3];
        bool is_open = false;
        for (int i = 0; i < 3; i++) {
            while (read_some(self, ends[i], READ_BYTES) && clock_boot_ms() < deadline) {
            }
            fds[i] = (struct pollfd){.fd = *ends[i], .events = POLLIN};
            is_open = is_open || *ends[i] >= 0;
        }
        const int64_t left = deadline - clock_boot_ms();
        if (!is_open || left <= 0) {
            break;
        }
        (void)poll(fds, 3, (int)left);
    }
    exec_commands_end(&self->commands);
}

// --- the end

// False (said why) when what was kept is not what was meant: JSON that was cut.
static bool take_stdout(ExecRun *self)
{
    RunContext *run = self->context.run;
    if (run->output == NULL &&
        exec_output_is_cut_json(self->out.text, self->out.length, self->out_total)) {
        char *why = mem_printf("the output on stdout has %zu bytes, more than %d", self->out_total,
                               (int)EXEC_STDOUT_MAX_BYTES);
        job_context_set_error(&self->context, why);
        free(why);
        return false;
    }
    if (self->out_total > self->out.length) {
        char *line = mem_printf("ganger: stdout was cut: %zu bytes", self->out_total);
        job_context_log(&self->context, line, strlen(line));
        free(line);
    }
    if (run->output == NULL) { // what was said on fd 3 comes first
        run->output = exec_output_json(self->out.text == NULL ? "" : self->out.text,
                                       self->out.length, self->out_total);
    }
    return true;
}

static JobOutcome judge(ExecRun *self)
{
    JobContext *context = &self->context;
    if (self->is_orphaned) { // not the job's fault: given back
        context->snooze_ms = 0;
        return OUTCOME_SNOOZE;
    }
    const JobOutcome outcome = exec_outcome(self->status, self->commands.asked);
    switch (outcome) {
    case OUTCOME_COMPLETED:
    case OUTCOME_SNOOZE:
    case OUTCOME_WAIT:
        if (self->commands.failure != NULL) {
            char *message = mem_printf("on fd 3: %s", self->commands.failure);
            job_context_set_error(context, message);
            free(message);
            return OUTCOME_ERROR;
        }
        if (outcome == OUTCOME_WAIT && !job_wait_is_new(context)) {
            return OUTCOME_ERROR;
        }
        return outcome != OUTCOME_COMPLETED || take_stdout(self) ? outcome : OUTCOME_ERROR;
    case OUTCOME_NONE:
    case OUTCOME_ERROR:
    case OUTCOME_DISCARD:
    case OUTCOME_CRASHED:
        break;
    }
    char *message = exec_error_message(self->status, self->last_line.last);
    job_context_set_error(context, message);
    free(message);
    return outcome;
}
