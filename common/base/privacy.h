// SPDX-License-Identifier: MIT
// Privacy: the password of the database is in the memory of ganger's processes; the programs of jobs run as the same user.
#ifndef COMMON_BASE_PRIVACY_H
#define COMMON_BASE_PRIVACY_H

// Other processes of this user can no longer trace this one, nor read its memory, environment or open files in /proc; it leaves no core
// file, and neither does what it starts. A program that is started is open to others again. Root may still do all of that.
void privacy_begin(void);

#endif
