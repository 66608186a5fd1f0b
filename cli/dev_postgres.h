// SPDX-License-Identifier: MIT
// Dev postgres: finds the server's programs and makes the private cluster of `ganger dev`.
#ifndef CLI_DEV_POSTGRES_H
#define CLI_DEV_POSTGRES_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/memory.h"
#include "common/base/status.h"

// The user the server runs as: it refuses to run as root.
typedef struct DevUser {
    const char *name; // NULL: ourselves
    uid_t uid;
    gid_t gid;
} DevUser;

// Ourselves, or as root the user postgres, else nobody. STATUS_REFUSED with `why`.
MUST_CHECK Status dev_user_find(DevUser *user, StrBuf *why);

typedef struct DevServer {
    char *bin; // folder of postgres and initdb; owned
    int major; // version, e.g. 15
} DevServer;

// The newest server installed, or the one of version `major` when that is not 0.
// STATUS_EMPTY: none; `why` says what was found instead.
MUST_CHECK Status dev_server_find(DevServer *server, int major, StrBuf *why);
// "postgres (PostgreSQL) 15.4 (Debian ...)" -> 15; 0 = not such a text.
int dev_server_parse_version(const char *text);

// Version of the cluster in `data`; 0 = there is no cluster.
int dev_cluster_version(const char *data);
// True when `ganger dev` made the cluster in `data`: only such a one may be started or deleted.
bool dev_cluster_is_ours(const char *data);
// STATUS_OK when there is nothing at `data`, or a cluster of ours; STATUS_REFUSED with `why`.
MUST_CHECK Status dev_cluster_check_ours(const char *data, StrBuf *why);
// Makes a cluster in `data`, or none at all. What initdb says goes to `log_path`.
MUST_CHECK Status dev_cluster_create(const DevServer *server, const DevUser *user, const char *data,
                                     const char *log_path, StrBuf *why);
// Deletes the cluster; nothing when there is none. STATUS_REFUSED when it is not ours.
MUST_CHECK Status dev_cluster_delete(const char *data, StrBuf *why);
// Waits a moment for a server that is still running on `data`; STATUS_REFUSED when it stays.
MUST_CHECK Status dev_cluster_wait_unused(const char *data, StrBuf *why);

// The folder of the server's socket: `<state>/run`, or a short one elsewhere when that path is too long for
// a unix socket. Made, and given to `user`; caller frees; NULL with `why`.
char *dev_socket_dir(const char *state_dir, const DevUser *user, StrBuf *why);
// Pure: true when a server's socket in this folder has a path the kernel takes.
bool dev_socket_fits(const char *dir);

#endif
