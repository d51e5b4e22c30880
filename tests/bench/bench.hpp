// What the driver (bench.cpp), the rows (rows.hpp) and peers/ share.
#pragma once

#include <vector>

enum class Kind {
    done,         // a: done, the counter stays above 0
    pair,         // a: add(1) and done, back to 0
    wait_at_zero, // a: wait that need not
    done_shared,  // b: threads count one object down, a waiter is parked
    fork_join,    // c: pairs of a waiter and a worker with work to do
    wake,         // d: one done releases many parked waiters
    uncontended,  // e: Go's benchmarks, by Go's names
    add_done,
    wait,
    actually_wait,
    bytes,      // f: not a time, but the size of the object
    neighbours, // b: as uncontended, but the objects share a cache line
    in_turn,    // c: two threads, each works while the other waits for it
    stopped     // s: as fork_join, in a process that is stopped now and then
};

struct Row {
    char group; // as in the table
    const char *name;
    Kind kind;
    int threads = 1; // pairs of threads in fork_join, waiters in wake
    int work = 0;    // microseconds in fork_join, steps in Go's rows
    int cpus = 2;    // processors that the row may use
    // fork_join: the worker sleeps until there is work; wake: the waiters sleep
    // before it is done.
    bool parked = false;
    int every = 0;       // fork_join: each so many rounds, one has
    int rare_work = 0;   // so much work instead
    bool hogs = false;   // a thread burns each processor beside it
    double life_ms = 8;  // how long threads live: one row on one peer, once
    long operations = 0; // or how many they do, however long that takes
};

struct Cost {
    double ns;     // elapsed for one operation; below 0: cannot do it
    double cpu_ns; // of processor time for one operation
    std::vector<float> times = {}; // ns of each operation, for percentiles
};

inline const Cost not_available = {-1, -1};

struct Peer {
    const char *name;
    Cost (*run)(const Row &row, long operations);
    bool endures; // does the rows that last for a second as well
    // Enlists itself.
    Peer(const char *name, Cost (*run)(const Row &, long),
         bool endures = false);
};

extern double loops_per_us; // of work(), measured when the bench starts

// Pure processor work, about one cycle a loop: unlike a look at the clock it
// does not get done while the thread is off the processor.
inline void work(long loops)
{
    for (; loops > 0; loops--) {
        __asm__ volatile("" : "+r"(loops));
    }
}
