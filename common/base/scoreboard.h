// SPDX-License-Identifier: MIT
// Scoreboard: one shared memory of the supervisor and its children, without locks or pointers.
//
// The supervisor creates it as a memfd; children inherit FD_SCOREBOARD. A header and
// one slot per child, each a whole number of pages, so that a worker maps the header read-only
// and nothing but its own slot writable, and the HTTP API reads all and writes its own. Every field has ONE writer, named in its comment; the one
// exception is a batch entry's state, which changes by compare-and-swap. What is read from a slot
// is never trusted: counts are bounded, offsets checked, text copied with a limit.
//
// Times are CLOCK_BOOTTIME milliseconds (clock_boot_ms) unless a name says otherwise.
#ifndef COMMON_BASE_SCOREBOARD_H
#define COMMON_BASE_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/counters.h"
#include "common/base/status.h"
#include "common/base/timeline.h"

enum {
    SCOREBOARD_SLOT_MAX = 513,  // more children than any one machine sensibly runs
    SCOREBOARD_OTHER_SLOTS = 2, // the first is the reaper's, the last the HTTP API's
    // in all pools together; one slot stays spare, for a successor
    SCOREBOARD_WORKERS_MAX = SCOREBOARD_SLOT_MAX - SCOREBOARD_OTHER_SLOTS - 1,
    SCOREBOARD_BATCH_MAX = 1024,     // jobs one worker may hold at once
    SCOREBOARD_RESULT_INLINE = 4096, // a larger result is written to the database at once
    // room for those of a whole batch: what nobody writes takes no memory
    SCOREBOARD_RESULT_BYTES = SCOREBOARD_BATCH_MAX * SCOREBOARD_RESULT_INLINE,
    SCOREBOARD_LOG_TAIL_BYTES = 4096, // what is kept of the running job's log
    SCOREBOARD_NAME_BYTES = 64,
    SCOREBOARD_REFUSED_MAX = 64, // further ones count as handled
    SCOREBOARD_NOTE_BYTES = 256
};

typedef enum SlotLife { // written by the supervisor
    SLOT_FREE,
    SLOT_SPAWNED, // pid and generation are valid
    SLOT_DEAD // obituary fields are valid; back to SLOT_FREE once settled_generation == generation
} SlotLife;

typedef enum SlotState { // written by the child
    SLOT_STARTING,
    SLOT_IDLE,
    SLOT_CLAIMING,
    SLOT_RUNNING,
    SLOT_FINISHING,
    SLOT_COLLECTING, // pauses before its next claim (ScoreboardHeader.claim_pace_ms)
    SLOT_STOPPING
} SlotState;

typedef enum SlotCommand { // written by the supervisor, read by the worker between jobs
    SLOT_GO,
    SLOT_QUIET, // claim nothing (TSTP); back to SLOT_GO by CONT
    SLOT_DRAIN  // finish the running job, return the rest, exit 0
} SlotCommand;

typedef enum StopCause { // why the supervisor stopped a job or a worker
    STOP_NONE,
    STOP_TIMEOUT,  // the job's deadline passed
    STOP_CANCEL,   // cancel() of the running job
    STOP_SHUTDOWN, // shutdown_timeout passed, or QUIT
    STOP_FENCE,    // the node's lease was not renewed in time
    STOP_STUCK,    // not ready in time, or silent: the process, not a job
    STOP_OPERATOR  // somebody wants this worker gone (kill_worker)
} StopCause;

typedef enum EntryState {
    ENTRY_NONE,
    ENTRY_UNSTARTED, // claimed, not begun
    ENTRY_RUNNING,   // worker, from UNSTARTED: the handler has been (or is about to be) called
    ENTRY_DONE,      // worker: result recorded here, not yet in the database
    ENTRY_WRITING, // reaper, from DONE: it writes the result; the worker does so too before its next claim
    ENTRY_WRITTEN, // the result is in the database: set by either after a commit
    ENTRY_RETURNING, // reaper, from UNSTARTED: it gives the job back; the worker skips it, and does so too
    ENTRY_RETURNED // the job is given back: set by either after a commit
} EntryState;

typedef enum JobOutcome {
    OUTCOME_NONE,
    OUTCOME_COMPLETED, // text = output JSON, may be empty
    OUTCOME_ERROR,     // text = message; retried when attempts are left
    OUTCOME_DISCARD,   // text = message; failed at once, reason discarded
    OUTCOME_SNOOZE,    // delay_ms; given back without a charge
    OUTCOME_CRASHED,   // text = message; its program died of a signal: retried by the rule
    OUTCOME_WAIT // delay_ms, or text = {"until": "..."} or {"token": "..."}: suspended without a charge
} JobOutcome;

// An entry's state and the batch it belongs to change in one step, so that a decision about an entry cannot
// take effect on the entry of the next batch in its place.
enum { ENTRY_STATE_BITS = 8 };

typedef struct BatchEntry {   // written by the worker, except state_word
    atomic_ullong state_word; // Slot.batch_serial << ENTRY_STATE_BITS | EntryState
    int64_t job_id;
    uint8_t lease[16]; // lease_id as PostgreSQL's 16 binary bytes
    int32_t attempt;
    int32_t outcome;      // JobOutcome, valid from ENTRY_DONE on
    uint32_t text_offset; // into Slot.results
    uint32_t text_length;
    int64_t
        delay_ms; // OUTCOME_SNOOZE, OUTCOME_WAIT, or the retry delay an error asks for (-1: by the rule)
    int64_t started_us; // CLOCK_BOOTTIME microseconds
    int64_t ended_us;
    int64_t cpu_us;        // processor time of the attempt, children included; -1 unknown
    int64_t max_rss_bytes; // -1 unknown
} BatchEntry;

typedef struct Slot {
    // -- written by the supervisor
    atomic_int life;        // SlotLife
    atomic_uint generation; // grows with every spawn into this slot; on the child's command line
    atomic_int pid;
    atomic_int command;       // SlotCommand
    atomic_llong stop_serial; // run_serial of the job being stopped softly; 0 none
    atomic_int stop_cause;    // StopCause of stop_serial, or of the whole process
    atomic_llong kill_serial; // run_serial at which SIGKILL was sent by the supervisor; 0 not by us
    atomic_llong spawned_at;
    int32_t pool;        // index into Config.pools; -1 for the reaper and the API
    int32_t exit_status; // wait status, valid in SLOT_DEAD
    int64_t cpu_us;      // rusage of the dead child and its reaped descendants
    int64_t max_rss_bytes;
    // -- written by the reaper
    _Alignas(64) atomic_uint settled_generation; // == generation: settled, the slot may be reused
    atomic_llong cancel_serial; // run_serial of a running job the database wants cancelled; 0 none
    atomic_uint unwanted_generation; // == generation: an operator wants this worker ended
    // -- written by the child
    _Alignas(64) atomic_int state; // SlotState
    atomic_uint child_generation;  // echo of generation: what a stale child writes is not believed
    atomic_llong changed_at;       // last change of state: proof of life
    atomic_uint state_serial;      // grows with every change of state, before it
    atomic_llong worker_id;        // ganger.workers.id, 0 before registration
    SharedTimeline timeline; // of the servers it has connected to: the latest; outlives the worker
    atomic_llong run_serial; // grows by one before every handler start
    atomic_int run_index;    // entry that runs or ran last; the log tail is its log
    atomic_int batch_count;  // entries in use
    atomic_llong run_started_at;
    atomic_llong run_soft_at;  // soft stop of the running job; 0 = no limit, or none runs
    atomic_llong run_grace_ms; // then SIGKILL after this; the job's kill_grace, else the config's
    atomic_llong run_cpu_us;   // process CPU time when the running job began
    atomic_llong jobs_done;
    atomic_llong batch_started_at;
    atomic_ullong batch_serial;               // grows with every batch
    char job_type[SCOREBOARD_NAME_BYTES];     // of the running job, for logs
    char note[SCOREBOARD_NOTE_BYTES];         // last words: panic text, missing handler
    atomic_uint refused_count;                // handlers its pool wants and it could not load
    uint64_t refused[SCOREBOARD_REFUSED_MAX]; // hashes of their job types, before refused_count
    atomic_uint log_length;                   // bytes ever appended to log_tail for the running job
    char log_tail[SCOREBOARD_LOG_TAIL_BYTES]; // ring
    atomic_uint result_bytes;                 // used part of results
    BatchEntry batch[SCOREBOARD_BATCH_MAX];
    char results[SCOREBOARD_RESULT_BYTES];
    WorkerCounters counters; // of all children this slot has had
} Slot;

typedef struct ScoreboardHeader {
    // -- written by the supervisor
    uint32_t magic;
    uint32_t version;
    uint32_t slot_count;
    uint32_t slot_size;
    int32_t supervisor_pid;
    int32_t reserved;
    uint64_t
        supervisor_start; // proc_start_time of supervisor_pid: others may not be able to read it
    atomic_llong supervisor_wakes_at; // next time it looks at deadlines by itself
    atomic_llong supervisor_seen_at;  // its last step: proof of life
    SupervisorCounters supervisor;
    CounterNames handlers; // whose rows WorkerCounters.handlers are
    // -- written by the reaper
    _Alignas(64) atomic_llong node_id; // ganger.nodes.id of this incarnation; 0 = do not claim
    atomic_llong lease_until;          // self-fence: past this no handler of this node may run
    atomic_llong work_counter;         // raised before a worker is woken (no lost wake-up)
    atomic_llong heartbeat_at;         // last acknowledged heartbeat
    atomic_int idle_announced; // enqueuers notify this node: a worker going idle need not say so
    atomic_uint lane_passes;   // over the frontiers of lanes; each ends the life of hints
    atomic_int claim_pace_ms;  // from one claim to the next, while few jobs come with each; 0 none
    SharedTimeline timeline; // the latest that any process of this node has seen (reaper/lineage.h)
    ReaperCounters reaper;
} ScoreboardHeader;

typedef struct Scoreboard Scoreboard;

// Supervisor: creates the memfd with `slot_count` free slots (1..SCOREBOARD_SLOT_MAX), maps all of
// it writable. *out is owned by the caller. STATUS_FATAL (logged) when memory or fds are missing.
MUST_CHECK Status scoreboard_create(Scoreboard **out, int slot_count);

// Child: maps the scoreboard inherited as `fd`. `slot` >= 0 maps the header read-only and only that
// slot writable (worker); slot == -1 maps everything writable (reaper). What is read-only cannot be made writable by mprotect.
// STATUS_FATAL when magic, version or sizes differ from this build's. Makes `fd` close-on-exec and leaves
// it to the caller; it may be closed afterwards.
MUST_CHECK Status scoreboard_attach(Scoreboard **out, int fd, int slot);
// The HTTP API: the same, and in addition all slots for reading, by scoreboard_read_slot.
MUST_CHECK Status scoreboard_attach_reader(Scoreboard **out, int fd, int slot);

void scoreboard_destroy(Scoreboard *board);

int scoreboard_fd(const Scoreboard *board);
int scoreboard_slot_count(const Scoreboard *board);
// Workers have the slots 1 .. scoreboard_api_slot - 1; the last one is the HTTP API's, also where there is none.
int scoreboard_api_slot(const Scoreboard *board);
ScoreboardHeader *scoreboard_header(Scoreboard *board);
// For writing; NULL when `index` is out of range or not mapped so by this process.
Slot *scoreboard_slot(Scoreboard *board, int index);
// For a process that has all of them mapped; NULL when `index` is out of range.
const Slot *scoreboard_read_slot(const Scoreboard *board, int index);

// --- helpers over one slot; none of them trusts its content

// Number of entries in the batch, bounded to 0..SCOREBOARD_BATCH_MAX.
int slot_batch_count(const Slot *slot);
// Index of the running entry, or -1 when none is (or the number is nonsense).
int slot_running_index(const Slot *slot);
// When the batch last got on (clock_boot_ms): claimed, began an entry, or ended one. What then still stands unstarted waits for
// a long handler, or for a result being written.
int64_t slot_last_progress_at(const Slot *slot);
// Copies the text of an entry into a new NUL-terminated string (caller frees); NULL when empty or out of bounds.
char *slot_entry_text(const Slot *slot, const BatchEntry *entry);
// Worker: keeps `length` bytes for the entry; false when they do not fit any more.
bool slot_store_text(Slot *slot, BatchEntry *entry, const char *text, size_t length);
// Worker: gives the room of an entry's text back, if nothing was stored after it.
void slot_drop_text(Slot *slot, BatchEntry *entry);
// Worker: empties the batch and its results, before the next claim is filled in.
void slot_reset_batch(Slot *slot);
// Worker: appends to the log tail of the running job; slot_log_clear at the start of a job.
void slot_log_append(Slot *slot, const char *text, size_t length);
void slot_log_clear(Slot *slot);
// Worker: the job type of a handler it could not load; slot_refused_clear before the first.
void slot_refused_clear(Slot *slot);
void slot_refused_add(Slot *slot, const char *job_type);
bool slot_is_refused(const Slot *slot, const char *job_type);
// Copies the log tail, oldest byte first, into a new string (caller frees); NULL when empty.
char *slot_log_copy(const Slot *slot);
// The word of ganger._settle_result for an entry's outcome: completed, discarded, snoozed, program_crashed, waiting, else error.
const char *job_outcome_word(int outcome);

// --- entry states

EntryState entry_state(const BatchEntry *entry);
// Worker: fills an entry's place in the batch that slot_reset_batch began; the other fields come before.
void entry_begin(const Slot *slot, BatchEntry *entry);
// Worker: the next state of an entry of its batch, whatever the reaper has made of it.
void entry_set_state(BatchEntry *entry, EntryState state);
// Worker: compare-and-swap of an entry's state; true when this caller made the change.
bool entry_move(BatchEntry *entry, EntryState from, EntryState to);
// Does the database still have to hear of this entry (not begun, running, or recorded)?
bool entry_is_open(const BatchEntry *entry);

// For others than the worker, which goes on meanwhile: everything is copied first, and the copy alone is used
// once entry_move_copied has said that it was whole.
typedef struct EntryCopy {
    unsigned long long word; // state_word as the copy began
    BatchEntry entry;
    char *text; // as of slot_entry_text; entry_copy_free
} EntryCopy;

void entry_copy(EntryCopy *copy, const Slot *slot, const BatchEntry *entry);
void entry_copy_free(EntryCopy *copy);
EntryState entry_copy_state(const EntryCopy *copy);
// Moves the entry on, if it is still in the batch and the state it was copied in; true: the copy is whole. `to` may be
// that same state.
bool entry_move_copied(BatchEntry *entry, EntryCopy *copy, EntryState to);

#endif
