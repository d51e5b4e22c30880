/* A seam without a system, for one thread: the test answers, and plays the
   other threads from within. What misuse writes is caught on its way to the
   system, and its abort() leads back to the test. Include it before wg.h. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct script {
    int waits, wakes, clocks, pauses; /* how often it was asked for these */
    /* With what, the last time. */
    void *word;
    uint32_t expected;
    int64_t deadline_ns;
    bool shared;
    /* The answers. */
    int64_t now_ns;       /* the clock stands still */
    int (*on_wait)(void); /* plays the others, and returns the answer */
    void (*on_wake)(void);
    void (*on_clock)(void);
    void (*on_pause)(void);
};
extern struct script script;

/* Counters to 0, the clock at 1 s, no hooks. A wait without one fails. */
void script_reset(void);

/* Calls, and returns what was written if that was misuse, "" if not. Fails
   unless misuse makes exactly one write, of a whole line, to standard error, by
   a thread that cannot be cancelled meanwhile, and then aborts; though
   the write says that it took one byte only. */
const char *line_of(void (*call)(void));

int script_wait(void *word, uint32_t expected, int64_t deadline_ns,
                bool shared);
void script_wake(void *word, bool shared);
int64_t script_now_ns(void);
void script_pause(void);

#define WG_FUTEX_WAIT script_wait
#define WG_FUTEX_WAKE script_wake
#define WG_NOW_NS script_now_ns
#if defined(__x86_64__) || defined(__i386__)
#define COUNTS_PAUSES 1
#define __builtin_ia32_pause() script_pause()
#else
#define COUNTS_PAUSES 0
#endif

#endif
