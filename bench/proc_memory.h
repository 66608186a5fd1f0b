// SPDX-License-Identifier: MIT
// Process memory: what the kernel says the processes of the first node use.
#ifndef BENCH_PROC_MEMORY_H
#define BENCH_PROC_MEMORY_H

typedef struct MemoryOf { // in MB
    double rss;
    double pss;
    double
        anonymous; // its own alone: what a leak would make grow, whoever else maps the same libraries
} MemoryOf;

typedef struct NodeMemory {
    MemoryOf supervisor;
    MemoryOf reaper;
    MemoryOf api;    // where there is one
    MemoryOf worker; // of each the most that a worker has
} NodeMemory;

NodeMemory proc_memory_of_node(void);
// Of each figure the larger one.
void proc_memory_keep_most(NodeMemory *most, const NodeMemory *other);

#endif
