// SPDX-License-Identifier: MIT
// Notify: see sd_notify.h.
#include "supervisor/sd_notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t watchdog_interval_ms(void);

void sd_notify_init(SdNotify *notify)
{
    const char *path = getenv("NOTIFY_SOCKET");

    *notify = (SdNotify){.fd = -1, .address = {.sun_family = AF_UNIX}};
    size_t length = path != NULL ? strlen(path) : 0;
    if (length > 1 && length < sizeof notify->address.sun_path &&
        (path[0] == '/' || path[0] == '@')) {
        memcpy(notify->address.sun_path, path, length);
        if (path[0] == '@') { // abstract name
            notify->address.sun_path[0] = '\0';
        }
        notify->address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        notify->watchdog_ms = watchdog_interval_ms();
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static int64_t watchdog_interval_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");

    if (usec == NULL || (pid != NULL && strtoll(pid, NULL, 10) != (long long)getpid())) {
        return 0;
    }
    long long limit_us = strtoll(usec, NULL, 10);
    return limit_us >= 2000 ? limit_us / 2000 : 0; // at half the limit
}

bool sd_notify_send(const SdNotify *notify, const char *format, ...)
{
    char text[1024];
    va_list args;

    if (notify->fd < 0) {
        return true;
    }
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length <= 0) {
        return false;
    }
    size_t size = (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    return sendto(notify->fd, text, size, MSG_NOSIGNAL, (const struct sockaddr *)&notify->address,
                  notify->address_length) == (ssize_t)size;
}

void sd_notify_deinit(SdNotify *notify)
{
    if (notify->fd >= 0) {
        close(notify->fd);
        notify->fd = -1;
    }
}
