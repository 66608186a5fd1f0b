// SPDX-License-Identifier: MIT
// Fault points: places where a crash test may strike. Compiled in only with GANGER_FAULT_POINTS.
//
// GANGER_FAULT="name:hit:action[,...]" arms them: at the hit-th time (1 = first) the point is passed, action is
//   kill        SIGKILL to this process
//   stop        SIGSTOP
//   exit        _exit(1)
//   sleep=<ms>  this thread stands still for so long
//   drop        the connections of this process to PostgreSQL are cut
//   error       the call around answers its error (FAULT_ERROR places only)
// A spec that cannot be read, or names no point of the lists below, ends the process: a crash test with a misspelt fault would pass
// without testing anything.
// GANGER_FAULT_ONCE=<path>: strike only while that file exists, and remove it when striking, so that
// a respawned process does not strike again. Where several faults are armed, that of each is <path>.<name>.
#ifndef COMMON_BASE_FAULT_POINT_H
#define COMMON_BASE_FAULT_POINT_H

#include <stdbool.h>

// Every point there is, in the order of a job's life; what is not listed does not compile. tests/chaos/sweep.c strikes at each.
#define FAULT_POINTS(X)                                                                            \
    X(supervisor_loop)                                                                             \
    X(supervisor_before_spawn)                                                                     \
    X(supervisor_after_spawn)                                                                      \
    X(supervisor_before_wait)                                                                      \
    X(supervisor_after_wait)                                                                       \
    X(supervisor_before_obituary)                                                                  \
    X(supervisor_after_obituary)                                                                   \
    X(supervisor_soft_stop)                                                                        \
    X(supervisor_after_soft_stop)                                                                  \
    X(supervisor_before_kill)                                                                      \
    X(supervisor_after_kill)                                                                       \
    X(supervisor_before_reload)                                                                    \
    X(supervisor_after_reload)                                                                     \
    X(supervisor_draining)                                                                         \
    X(supervisor_before_exit)                                                                      \
    X(worker_registered)                                                                           \
    X(worker_ready)                                                                                \
    X(worker_resting)                                                                              \
    X(claim_sending)                                                                               \
    X(after_claim_commit)                                                                          \
    X(slot_filling)                                                                                \
    X(slot_filled)                                                                                 \
    X(entry_running)                                                                               \
    X(deadline_published)                                                                          \
    X(program_started)                                                                             \
    X(program_ended)                                                                               \
    X(note_written)                                                                                \
    X(handler_returned)                                                                            \
    X(handler_before_complete)                                                                     \
    X(handler_before_commit)                                                                       \
    X(handler_after_commit)                                                                        \
    X(result_before_slot)                                                                          \
    X(result_in_slot)                                                                              \
    X(before_finish)                                                                               \
    X(finish_answered)                                                                             \
    X(finish_batch_answered)                                                                       \
    X(release_marked)                                                                              \
    X(release_answered)                                                                            \
    X(reattach_fenced)                                                                             \
    X(reattached)                                                                                  \
    X(worker_leaving)                                                                              \
    X(worker_left)                                                                                 \
    X(reaper_connected)                                                                            \
    X(reaper_listening)                                                                            \
    X(node_inserted)                                                                               \
    X(node_registered)                                                                             \
    X(heartbeat_sending)                                                                           \
    X(heartbeat_answered)                                                                          \
    X(idle_announced)                                                                              \
    X(wake_counted)                                                                                \
    X(poll_answered)                                                                               \
    X(tick_answered)                                                                               \
    X(promote_answered)                                                                            \
    X(tidy_partitions_done)                                                                        \
    X(unknown_workers_ended)                                                                       \
    X(cancel_noted)                                                                                \
    X(rescue_writing)                                                                              \
    X(rescue_written)                                                                              \
    X(rescue_returning)                                                                            \
    X(rescue_returned)                                                                             \
    X(before_settle)                                                                               \
    X(worker_marked_dead)                                                                          \
    X(backend_ended)                                                                               \
    X(worker_settled)                                                                              \
    X(slot_settled)                                                                                \
    X(node_buried)                                                                                 \
    X(buried_worker_settled)                                                                       \
    X(db_connected)                                                                                \
    X(db_sent)                                                                                     \
    X(db_answered)                                                                                 \
    X(pipeline_sent)                                                                               \
    X(pipeline_answered)

// Points at which a call may be made to answer its error; all other actions work here, too.
#define FAULT_ERRORS(X)                                                                            \
    X(spawn)                                                                                       \
    X(register_worker)                                                                             \
    X(claim)                                                                                       \
    X(finish_entry)                                                                                \
    X(release)                                                                                     \
    X(note)                                                                                        \
    X(register_node)                                                                               \
    X(heartbeat)                                                                                   \
    X(settle)                                                                                      \
    X(rescue)                                                                                      \
    X(db_open)

// The names of the spec as they are, so that the lists are the only place they stand in.
typedef enum FaultName {
#define FAULT_NAME_POINT(name) FAULT_POINT_##name,
#define FAULT_NAME_ERROR(name) FAULT_ERROR_##name,
    FAULT_POINTS(FAULT_NAME_POINT) FAULT_ERRORS(FAULT_NAME_ERROR)
#undef FAULT_NAME_POINT
#undef FAULT_NAME_ERROR
        FAULT_NAME_COUNT
} FaultName;

#ifdef GANGER_FAULT_POINTS

// True: the call around is to answer its error.
bool fault_point(FaultName name);
// Which descriptors `drop` cuts. A connection beyond the first FAULT_SOCKET_MAX is left alone.
void fault_point_add_socket(int socket);
void fault_point_remove_socket(int socket);

#define FAULT_POINT(name)           ((void)fault_point(FAULT_POINT_##name))
#define FAULT_ERROR(name)           fault_point(FAULT_ERROR_##name)
#define FAULT_ADD_SOCKET(socket)    fault_point_add_socket(socket)
#define FAULT_REMOVE_SOCKET(socket) fault_point_remove_socket(socket)

#else

#define FAULT_POINT(name)           ((void)FAULT_POINT_##name)
#define FAULT_ERROR(name)           ((void)FAULT_ERROR_##name, false)
#define FAULT_ADD_SOCKET(socket)    ((void)(socket))
#define FAULT_REMOVE_SOCKET(socket) ((void)(socket))

#endif

#endif
