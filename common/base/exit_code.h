// SPDX-License-Identifier: MIT
// Exit codes that processes of ganger agree on, with the user and with one another.
#ifndef COMMON_BASE_EXIT_CODE_H
#define COMMON_BASE_EXIT_CODE_H

typedef enum ExitCode {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILED =
        1, // CLI: the operation was refused or found nothing; worker: a result could not be written, or its own files were closed
    EXIT_CODE_USAGE = 64,       // sysexits EX_USAGE: the command line is wrong
    EXIT_CODE_INTERNAL = 70,    // EX_SOFTWARE: a bug of ours
    EXIT_CODE_NO_DATABASE = 75, // EX_TEMPFAIL: CLI only; gangerd keeps trying
    EXIT_CODE_UNKNOWN =
        76, // EX_PROTOCOL: CLI only; the database went away with the answer: it may have been done or not
    EXIT_CODE_CONFIG = 78, // EX_CONFIG: configuration, schema version or node name refused
    // Between a child and the supervisor:
    EXIT_CODE_RECYCLED = 80,  // worker reached max_jobs, max_rss or max_age: start the next at once
    EXIT_CODE_LEASE_LOST = 81 // the worker's row is no longer alive: start afresh
} ExitCode;

#endif
