// SPDX-License-Identifier: MIT
// Reap: the death of a process: wait for it, clear away what it left behind, write its obituary.
#ifndef SUPERVISOR_REAP_H
#define SUPERVISOR_REAP_H

#include "supervisor/supervisor.h"

// At the start: whoever is our child now (`logger & exec gangerd`, `2> >(logger)`) is not ours to kill, ever.
void reap_note_inherited(Supervisor *self);
// Waits for everything that has died and posts the obituaries of those of whom nothing is left. Never
// blocks for long; asks for another look while something is still dying.
void reap_dead(Supervisor *self, int64_t now);
// Kills and waits for every process below us that is not inherited, at the very end.
void reap_everything(Supervisor *self);

#endif
