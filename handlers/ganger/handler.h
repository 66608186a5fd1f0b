/* SPDX-License-Identifier: MIT */
/*
 * Public header for ganger handlers: what a shared object must export to run jobs, and what it may
 * ask of the worker that loads it.
 *
 * A handler is one function of a shared object. The shared object exports one symbol,
 * `ganger_plugin_v1`, and links nothing of ganger: everything it needs arrives in a table of
 * function pointers. The header is plain C99 and valid C++; other languages (Rust, Zig, Go) declare
 * the same structs.
 *
 *     #include <ganger/handler.h>
 *
 *     static enum ganger_result hello(const ganger_job *job, ganger_context *context)
 *     {
 *         ganger_log(context, "hello");
 *         return GANGER_OK;
 *     }
 *
 *     static const ganger_handler handlers[] = {{"hello", hello, NULL}, {NULL, NULL, NULL}};
 *     const struct ganger_plugin ganger_plugin_v1 = GANGER_PLUGIN("hello", handlers);
 *
 *     cc -shared -fPIC $(pkg-config --cflags ganger) hello.c -o hello.so
 *
 * Units and text. Every duration is in milliseconds. Every text is NUL-terminated UTF-8. JSON is
 * passed as text. Unless a function says otherwise, what it is given is copied before it returns
 * and stays the caller's, and what it returns is the worker's, valid until the handler returns.
 *
 * Threads. The handler runs on the worker's main thread. ganger_should_stop and ganger_remaining_ms
 * may be called from any thread while the handler runs; everything else only from the thread the
 * handler was called on. Threads a handler starts must have ended when it returns.
 *
 * Processes. Child processes a handler leaves behind are killed when it returns. A handler that
 * crashes or calls exit() costs this one attempt and no other job.
 *
 * State. The worker puts back the signal mask, umask, working directory, alarm, environment, locale and
 * resource limits after each job. What it cannot put back (a hard limit lowered without the right to raise
 * it, another user or group), and more than 80 % of the files it may have open, end the worker after the
 * job: another takes its place. Signal handlers and other timers must be left as they were found. A handler
 * that closes the worker's own files (close_range(3, ...)) crashes its attempt.
 *
 * Loading. The file must belong to root or to the user who runs the workers, and be writable by its
 * owner only. It is loaded through a descriptor, so $ORIGIN in its RUNPATH leads nowhere: link
 * libraries of your own with an absolute path. Constructors have 5 seconds, those of all files together
 * 15, and are first tried in a process apart; a file is never unloaded.
 *
 * Starting again. A handler that waits (GANGER_WAIT) is not frozen: it returns, holds no worker while
 * it waits, and is called anew from its beginning, perhaps on another machine. What it has done it
 * remembers by steps: ganger_step_put stores a result under a name, ganger_step_get finds it again in
 * every later run of the same job, whether that follows a wait, a failure or a crash.
 *
 * Growing. Structs only ever gain fields at their end, so look at `struct_size` (GANGER_HAS) before
 * you use a service that is newer than version 1.0; those of 1.1 begin with step_get. A change that
 * breaks old plugins gets a new symbol name (ganger_plugin_v2).
 */
#ifndef GANGER_HANDLER_H
#define GANGER_HANDLER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GANGER_ABI_MAJOR 1u
#define GANGER_ABI_MINOR 1u

#if defined(__GNUC__)
#define GANGER_EXPORT __attribute__((visibility("default")))
#else
#define GANGER_EXPORT
#endif

/* What became of the job. */
enum ganger_result {
    GANGER_OK = 0,      /* completed; the output is what ganger_output was given, else null */
    GANGER_ERROR = 1,   /* failed; retried while attempts are left */
    GANGER_DISCARD = 2, /* failed for good: no retry */
    GANGER_SNOOZE =
        3, /* to be run again after the delay given to ganger_snooze, without a charge */
    GANGER_WAIT =
        4 /* to be run again after what ganger_wait_for, ganger_wait_until or ganger_wait_for_token
             said, without a charge; without one of them the attempt fails */
};

/* What a service answers. */
enum ganger_answer {
    GANGER_DONE = 0,
    GANGER_FAILED = -1, /* not done; ganger_last_error says why */
    GANGER_LOST = -2 /* this attempt no longer owns the job (cancelled, taken away): stop working */
};

/* What ganger_wait_for_token answers, beside GANGER_FAILED and GANGER_LOST. */
enum ganger_token_status {
    GANGER_TOKEN_WAITING = 0, /* return GANGER_WAIT now */
    GANGER_TOKEN_COMPLETED = 1,
    GANGER_TOKEN_TIMED_OUT = 2
};

/* The job. Everything is the worker's and valid until the handler returns. */
typedef struct ganger_job {
    size_t struct_size; /* sizeof(ganger_job) as the worker knows it */
    int64_t id;
    int32_t attempt; /* 1 at the first start */
    int32_t max_attempts;
    const char *job_type;
    const char *queue;
    const char *payload;   /* JSON; never NULL */
    size_t payload_length; /* bytes, without the NUL */
    const char *tags;      /* JSON array of strings, or NULL */
    const char *owner;     /* or NULL */
    const char *metadata;  /* JSON, or NULL */
    /* Since 1.1: */
    const char *group_key; /* or NULL */
    int32_t priority;
} ganger_job;

typedef struct ganger_context ganger_context;

/*
 * Called by ganger_exec_sql once for each row. `names` and `values` have `columns` entries; a value
 * is NULL for SQL null, else PostgreSQL's text form; both are valid during the call only. Any
 * return value but 0 stops the calls (the statement has already run).
 */
typedef int (*ganger_row_function)(void *data, int columns, const char *const *names,
                                   const char *const *values);

/* The services of the worker. Use the functions below, which say what each one does. */
typedef struct ganger_services {
    size_t struct_size; /* sizeof(ganger_services) as the worker knows it */
    int (*should_stop)(ganger_context *context);
    int64_t (*remaining_ms)(ganger_context *context);
    int (*prolong)(ganger_context *context, int64_t ms);
    int (*progress)(ganger_context *context, int percent, const char *message, const char *stage);
    int (*output)(ganger_context *context, const char *json, size_t length);
    void (*log)(ganger_context *context, const char *line);
    void (*set_error)(ganger_context *context, const char *message);
    void (*retry_after)(ganger_context *context, int64_t ms);
    void (*snooze)(ganger_context *context, int64_t ms);
    int64_t (*enqueue)(ganger_context *context, const char *job_type, const char *payload,
                       const char *options);
    void *(*connection)(ganger_context *context);
    int64_t (*exec_sql)(ganger_context *context, const char *sql, int count,
                        const char *const *params, ganger_row_function on_row, void *data);
    const char *(*last_error)(ganger_context *context);
    /* Since 1.1: */
    int (*step_get)(ganger_context *context, const char *name, const char **json);
    int (*step_put)(ganger_context *context, const char *name, const char *json, size_t length);
    void (*wait_for)(ganger_context *context, int64_t ms);
    void (*wait_until)(ganger_context *context, int64_t unix_ms);
    int (*wait_for_token)(ganger_context *context, const char *token, const char **data);
    const char *(*create_token)(ganger_context *context, int64_t timeout_ms, const char *tags);
    int (*complete_token)(ganger_context *context, const char *token, const char *json);
} ganger_services;

/* Made by the worker for one run of one job; never copy or keep it. */
struct ganger_context {
    size_t struct_size; /* sizeof(struct ganger_context) as the worker knows it */
    const ganger_services *services;
};

/* One handler of a plugin. */
typedef struct ganger_handler {
    const char *job_type; /* NULL ends the array */
    /* Runs one job to its end. Must return soon after ganger_should_stop has become true: after the
     * job's kill_grace the process is killed. */
    enum ganger_result (*run)(const ganger_job *job, ganger_context *context);
    /* May be NULL. Called once when a job of this handler has failed for good, whatever the reason: its
     * own word, a timeout, a crash, a lost machine. `job` tells of that job, `message` is its error. The
     * call is a job of its own, of the job type `<job type>:on_error` and with one attempt, so it may
     * run in another process or on another machine, and what becomes of it (a crash, too) is found
     * there and changes nothing for the failed job. The services are those of that job: log, progress,
     * output, enqueue and ganger_connection work. After ganger_set_error it counts as failed. */
    void (*on_error)(const ganger_job *job, ganger_context *context, const char *message);
} ganger_handler;

/* What a plugin exports. */
struct ganger_plugin {
    uint32_t abi_major; /* GANGER_ABI_MAJOR: must be equal to the worker's */
    uint32_t abi_minor;
    size_t struct_size;             /* sizeof(struct ganger_plugin) */
    size_t handler_size;            /* sizeof(ganger_handler) */
    const char *name;               /* for messages */
    const ganger_handler *handlers; /* ended by an entry whose job_type is NULL */
};

/* The initialiser of ganger_plugin_v1. */
#define GANGER_PLUGIN(plugin_name, plugin_handlers)                                                \
    {                                                                                              \
        GANGER_ABI_MAJOR, GANGER_ABI_MINOR, sizeof(struct ganger_plugin), sizeof(ganger_handler),  \
            (plugin_name), (plugin_handlers)                                                       \
    }

/* Define this in your plugin. */
extern GANGER_EXPORT const struct ganger_plugin ganger_plugin_v1;

/* True when the worker has this service: GANGER_HAS(context, last_error). */
#define GANGER_HAS(context, service)                                                               \
    ((context)->services->struct_size >=                                                           \
     offsetof(ganger_services, service) + sizeof((context)->services->service))

/* 1 when the job is to stop: its timeout passed, it was cancelled, or the worker shuts down. Cheap
 * (one read of shared memory): ask in every loop. Any thread. */
static inline int ganger_should_stop(ganger_context *context)
{
    return context->services->should_stop(context);
}

/* Time left until the job is asked to stop; 0 when it has passed, -1 when the job has no timeout.
 * Any thread. */
static inline int64_t ganger_remaining_ms(ganger_context *context)
{
    return context->services->remaining_ms(context);
}

/* Makes sure at least `ms` are left from now on; never shortens. Nothing to do (GANGER_DONE) for a
 * job without timeout. The job's events tell of it, at most once a second. GANGER_FAILED: ms is
 * negative. GANGER_LOST: the job has been told to stop already. */
static inline int ganger_prolong(ganger_context *context, int64_t ms)
{
    return context->services->prolong(context, ms);
}

/* Shows progress: percent 0..100 (else GANGER_FAILED), message and stage may be NULL (unchanged).
 * Visible at once, also while the job's transaction is open; calls that follow within 100 ms are
 * put together. GANGER_LOST as soon as it is known. A failure here is no reason to fail the job. */
static inline int ganger_progress(ganger_context *context, int percent, const char *message,
                                  const char *stage)
{
    return context->services->progress(context, percent, message, stage);
}

/* Sets the output of the job, replacing an earlier one: `length` bytes of JSON, at most 1 MiB.
 * GANGER_FAILED: not valid JSON, or too long; the earlier output stays. */
static inline int ganger_output(ganger_context *context, const char *json, size_t length)
{
    return context->services->output(context, json, length);
}

/* Adds one line (the newline is added) to the log of the attempt; the last 3.5 KiB are kept. */
static inline void ganger_log(ganger_context *context, const char *line)
{
    context->services->log(context, line);
}

/* The message of a GANGER_ERROR or GANGER_DISCARD to come. NULL removes it. */
static inline void ganger_set_error(ganger_context *context, const char *message)
{
    context->services->set_error(context, message);
}

/* With GANGER_ERROR: retry after so long (100 years at most), not by the job's own rule. Negative = by
 * the rule. */
static inline void ganger_retry_after(ganger_context *context, int64_t ms)
{
    context->services->retry_after(context, ms);
}

/* Sets the delay of a GANGER_SNOOZE to come and answers GANGER_SNOOZE: `return
 * ganger_snooze(context, 5000);`. 100 years at most; without it the delay is one minute. */
static inline enum ganger_result ganger_snooze(ganger_context *context, int64_t ms)
{
    context->services->snooze(context, ms);
    return GANGER_SNOOZE;
}

/* Enqueues a job: payload is JSON or NULL for {}; options is NULL or a JSON object with parameters
 * of ganger.enqueue by name ({"queue": "mail", "priority": 5}). While the job's transaction is open
 * (ganger_connection) the new job belongs to it: it appears when this job completes, and not at all
 * when it fails. Otherwise it is committed at once. Returns the id, or GANGER_FAILED. A failure
 * inside the transaction leaves it aborted, as any failed statement does: return GANGER_ERROR. */
static inline int64_t ganger_enqueue(ganger_context *context, const char *job_type,
                                     const char *payload, const char *options)
{
    return context->services->enqueue(context, job_type, payload, options);
}

/* The worker's database connection, a libpq `PGconn *`, inside a transaction that the first call
 * begins. What is written through it and the completion of the job are one transaction: both happen
 * or neither, exactly once. Rules: no COMMIT, ROLLBACK or BEGIN (savepoints are fine; the attempt
 * fails when the transaction has been ended), SET LOCAL instead of SET, no results left unread, no
 * pipeline mode left on, never PQfinish or PQreset. The transaction is rolled back unless run
 * returns GANGER_OK. NULL: there is no connection (ganger_last_error says why). */
static inline void *ganger_connection(ganger_context *context)
{
    return context->services->connection(context);
}

/* The same for languages without libpq: runs one statement inside that transaction. `params` has
 * `count` texts (NULL = SQL null) for $1, $2, ...; `on_row` may be NULL. Returns the number of rows
 * returned, or affected when the statement returns none; GANGER_FAILED on an error. */
static inline int64_t ganger_exec_sql(ganger_context *context, const char *sql, int count,
                                      const char *const *params, ganger_row_function on_row,
                                      void *data)
{
    return context->services->exec_sql(context, sql, count, params, on_row, data);
}

/* Finds the result of a step: *json is what ganger_step_put was given for `name` in this run or an
 * earlier one of this job, NULL when there is none; valid until the handler returns. The first call of
 * a run reads all steps of the job, later ones cost nothing. GANGER_FAILED: it could not be found out; *json is NULL, and the step
 * may have been done: return GANGER_ERROR. GANGER_LOST. */
static inline int ganger_step_get(ganger_context *context, const char *name, const char **json)
{
    return context->services->step_get(context, name, json);
}

/* Stores the result of a step, replacing an earlier one: `length` bytes of JSON, at most 1 MiB; a name
 * has 1 to 255 bytes. It is committed when this returns, also while the job's transaction is open, and
 * whatever becomes of that. Kept until the job has completed. GANGER_FAILED: it is not stored; as the
 * next run would do the step again, return GANGER_ERROR. GANGER_LOST. */
static inline int ganger_step_put(ganger_context *context, const char *name, const char *json,
                                  size_t length)
{
    return context->services->step_put(context, name, json, length);
}

/* Suspends the job for so long: `return ganger_wait_for(context, 5000);`. 100 years at most. The job's
 * transaction is rolled back, the worker is free for others, the attempt is not charged; progress and
 * steps are kept. Say by a step that you have waited, or you will wait again. */
static inline enum ganger_result ganger_wait_for(ganger_context *context, int64_t ms)
{
    context->services->wait_for(context, ms);
    return GANGER_WAIT;
}

/* The same until an instant, in milliseconds since 1970 UTC; one in the past resumes at once. */
static inline enum ganger_result ganger_wait_until(ganger_context *context, int64_t unix_ms)
{
    context->services->wait_until(context, unix_ms);
    return GANGER_WAIT;
}

/* Asks whether a token is completed (GANGER_TOKEN_COMPLETED; *data is the JSON it was completed with,
 * or NULL) or timed out (GANGER_TOKEN_TIMED_OUT). GANGER_TOKEN_WAITING: neither yet; return
 * GANGER_WAIT, and the job runs again when it is. GANGER_FAILED: it could not be found out, or there
 * is no such token. `data` may be NULL. */
static inline int ganger_wait_for_token(ganger_context *context, const char *token,
                                        const char **data)
{
    return context->services->wait_for_token(context, token, data);
}

/* Creates a token: a name that somebody completes once, by ganger.complete_token in SQL or from a
 * handler. It belongs to this job and is committed when this returns. `timeout_ms` negative: it never
 * times out. `tags` is a JSON array of strings, or NULL. Store it as a step before you hand it out: the
 * next run must find it again. Valid until the handler returns. NULL: ganger_last_error says why. */
static inline const char *ganger_create_token(ganger_context *context, int64_t timeout_ms,
                                              const char *tags)
{
    return context->services->create_token(context, timeout_ms, tags);
}

/* Completes a token; whoever waits for it goes on. `json` may be NULL. As ganger_enqueue, it is part of
 * the job's transaction while that is open. GANGER_FAILED: there is no such token, it was completed
 * before or has timed out, or it could not be done. */
static inline int ganger_complete_token(ganger_context *context, const char *token,
                                        const char *json)
{
    return context->services->complete_token(context, token, json);
}

/* Why the last service that answered GANGER_FAILED, GANGER_LOST or NULL did so; "" when none did.
 * Valid until the next service call. */
static inline const char *ganger_last_error(ganger_context *context)
{
    return context->services->last_error(context);
}

#ifdef __cplusplus
}
#endif

#endif
