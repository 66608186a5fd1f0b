// SPDX-License-Identifier: MIT
// Standard streams: descriptors 0 to 2 are open, whoever started us.
#ifndef COMMON_BASE_STD_STREAMS_H
#define COMMON_BASE_STD_STREAMS_H

// Opens /dev/null where one of them is closed. The first thing a program does: the next file it opens would take the
// number, and the log would be written into that.
void std_streams_fill(void);

#endif
