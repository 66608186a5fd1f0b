// SPDX-License-Identifier: MIT
// Confine: what whoever takes over the HTTP process could not do with it. It listens to strangers, and its neighbours of the same user
// are the workers.
#ifndef API_CONFINE_H
#define API_CONFINE_H

#include <stdbool.h>

// From now on these fail with EPERM: starting programs, processes and threads, sending signals or limits to others, looking into them,
// becoming another user, and what the sandbox of programs refuses (worker/sandbox.h). No way back; call it once all is set up, from the
// only thread. False where the kernel cannot do it: errno says why.
bool confine_enter(void);

#endif
