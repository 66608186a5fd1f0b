// SPDX-License-Identifier: MIT
// Status: what a caller can do about a failure. The cause was logged where it was known.
#ifndef COMMON_BASE_STATUS_H
#define COMMON_BASE_STATUS_H

typedef enum Status {
    STATUS_OK,      // done
    STATUS_EMPTY,   // nothing there: no job, no row
    STATUS_RETRY,   // failed for a reason that passes: try again
    STATUS_LOST,    // the connection or the lease is gone
    STATUS_REFUSED, // our input was rejected: trying again changes nothing
    STATUS_FATAL    // the process cannot go on
} Status;

#define MUST_CHECK __attribute__((warn_unused_result))

// Passes any failure upward. The cause has been logged below.
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        Status try_status_ = (expr);                                                               \
        if (try_status_ != STATUS_OK)                                                              \
            return try_status_;                                                                    \
    } while (0)

// The lower-case name of a status, for logs.
static inline const char *status_name(Status status)
{
    static const char *const names[] = {
        [STATUS_OK] = "ok",     [STATUS_EMPTY] = "empty",     [STATUS_RETRY] = "retry",
        [STATUS_LOST] = "lost", [STATUS_REFUSED] = "refused", [STATUS_FATAL] = "fatal",
    };
    return names[status];
}

#endif
