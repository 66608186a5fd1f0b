// SPDX-License-Identifier: MIT
// Lineage: the latest timeline of the database that any process of this node has seen, so that none of them works for an old primary
// that has come back. Published in the scoreboard's header, and kept in a file of the state folder for the next start.
#ifndef REAPER_LINEAGE_H
#define REAPER_LINEAGE_H

#include "reaper/reaper.h"

// Reads the file, unless this node has seen something already.
void lineage_begin(Reaper *self);
// What is known now, by the workers' connections too.
Timeline lineage_known(Reaper *self);
// A connection has been made: what it shows counts from now on.
void lineage_met(Reaper *self);
// Has a worker seen a later primary than the one this connection leads to?
bool lineage_is_left_behind(Reaper *self);

#endif
