/* explore.h - what a scenario is, and what it may ask of the explorer */
#ifndef WG_TESTS_EXPLORE_H
#define WG_TESTS_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { THREADS = 4 };

struct scenario {
    const char *name;
    void (*setup)(void);            /* runs alone, before the threads */
    void (*threads[THREADS])(void); /* run in every possible order */
    void (*final)(void);            /* runs alone, at the end; may be null */
    const char *outcomes; /* "a|b": each must be reached, and no other */
    unsigned flags;
};

enum {
    SHARED = 1, /* the group is shared between processes */
    FREES = 2,  /* calls x_free */
    CALM = 4,   /* without spurious wakes, EINTR, weak failures */
    SMALL = 8,  /* small enough to be searched without any reduction, too */
    LARGE = 16, /* takes seconds: "explore quick" leaves it out */
    TIMED = 32  /* has timed waits; in the others the clock stands */
};

struct variable {
    const char *name;
    void *address;
    size_t size;
};

/* Scenarios keep all that their threads share in one object, which the
   explorer clears before each execution. Compiled once for each WG_SPIN. */
struct suite {
    const struct scenario *scenarios; /* ends with a null name */
    void *memory;
    size_t size;
    const struct variable *variables; /* in memory; ends with a null name */
    void (*final)(void);              /* runs before each scenario's own */
    /* Told of each change of an atomic, at the moment of the change. */
    void (*watch)(const void *address, uint64_t old, uint64_t now);
    /* Sets the header's thread-local numbers, and returns what they were. */
    uint16_t (*swap_locals)(uint16_t locals);
};
extern const struct suite suite_spin_0, suite_spin_1;

#define CHECK(condition) x_check(condition, #condition)
void x_check(bool ok, const char *text);
void x_outcome(const char *text); /* of this execution; "done" unless called */
void x_free(void *object, size_t size); /* no access from now on */
void x_poll(void);      /* sleeps until memory changes, as a poll loop might */
int64_t x_now(void);    /* the calling thread's clock */
unsigned x_wakes(void); /* calls of FUTEX_WAKE in this execution */
bool x_napped(void);    /* whether there was a nap, likewise */

#endif
