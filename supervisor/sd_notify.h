// SPDX-License-Identifier: MIT
// Notify: what systemd is told, over its datagram socket; nothing when there is none.
#ifndef SUPERVISOR_SD_NOTIFY_H
#define SUPERVISOR_SD_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef struct SdNotify {
    int fd; // -1: nobody listens
    struct sockaddr_un address;
    socklen_t address_length;
    int64_t watchdog_ms; // how often WATCHDOG=1 is due; 0 = not wanted
} SdNotify;

// Reads $NOTIFY_SOCKET and $WATCHDOG_USEC and takes them out of the environment: children are not to
// speak for us.
void sd_notify_init(SdNotify *notify);
// Sends lines of VARIABLE=value. Never blocks; false when they were not taken, which is no matter unless they are due
// again and again. True when nobody listens.
bool sd_notify_send(const SdNotify *notify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void sd_notify_deinit(SdNotify *notify);

#endif
