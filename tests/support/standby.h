// SPDX-License-Identifier: MIT
// Two PostgreSQL servers of one test program's own: a primary and its streaming standby, which change places.
//
// Each server is known by its number, 0 or 1, and reached by a unix socket of its own. In the beginning server 0 is the primary; a
// promotion makes the other one the primary, and the old one stays as it was left (killed, or still running) until it is restarted
// as a second primary or cloned anew. Databases that test_db.h makes are made in, and dropped from, the present primary; a TestDb's
// url names the server that was the primary when it was made. Failures end the program with a message.
//
//     standby_setup (group)           0 primary, 1 its asynchronous standby
//     standby_set_synchronous(true)   commits wait for the standby
//     standby_kill_primary()          SIGKILL to all its processes
//     standby_promote()               1 primary, 0 gone
//     standby_restart_old()           0 runs again, on the old timeline, and takes writes: the primary nobody wants
//     standby_reclone()               0 is the standby of 1
#ifndef TESTS_SUPPORT_STANDBY_H
#define TESTS_SUPPORT_STANDBY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// cmocka fixtures of a group of tests.
int standby_setup(void **state);
int standby_teardown(void **state);

// The number of the server that is the primary.
int standby_primary(void);
// How a client reaches a database: on one server, and on whichever of both takes writes ("host=A,B", server 0 first).
void standby_server_url(int server, const char *database, char *url, size_t size);
void standby_url(const char *database, char *url, size_t size);
// A plain connection to a database on one server; the caller finishes.
PGconn *standby_connect(int server, const char *database);

// Do commits of the primary wait for the standby? Returns when that is so. The standby must be attached.
void standby_set_synchronous(bool is_synchronous);
// Waits until the standby has replayed all that the primary has written.
void standby_await_caught_up(void);
// The standby receives no more: what the primary commits from now on is lost with it. And receives again.
void standby_detach(void);
void standby_attach(void);

// SIGKILL to all processes of the primary; it is gone when this returns.
void standby_kill_primary(void);
// Stops the primary as a crash does ("halt"), and starts it again ("resume").
void standby_primary_action(const char *action);
// Makes the standby the primary; the old one is not touched. Returns clock_boot_ms() of when it took writes.
int64_t standby_promote(void);
// Starts the old primary, on its own timeline, not knowing of the promotion; stops it again.
void standby_restart_old(void);
void standby_stop_old(void);
// Makes the old primary, running or not, anew: as a standby of the present one, which does not wait for it.
void standby_reclone(void);

#endif
