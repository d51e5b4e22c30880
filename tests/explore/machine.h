/* machine.h - the machine that machine.c models and explore.c drives */
#ifndef WG_TESTS_MACHINE_H
#define WG_TESTS_MACHINE_H

#include "explore.h"

enum {
    MAIN = THREADS, /* the thread that runs setup and final */
    VARIABLES = 16,
    MESSAGES = 64,
    STACK = 64 * 1024
};

/* The oldest message of each variable that may still be read, and the latest
   access of each thread that happened before. */
struct view {
    uint16_t at[VARIABLES], clock[THREADS + 1];
};

struct message {
    uint64_t value;
    struct view view;
};

struct cell { /* what there is to know of a variable */
    int newest;
    struct message messages[MESSAGES];
    uint16_t last[THREADS + 1], written; /* clocks of the last accesses */
    int writer;
};

enum kind { LOAD, STORE, RMW, CAS, WAIT, ASLEEP, WAKE, CLOCK, PANIC, POLL };

struct op { /* the next step of a thread */
    enum kind kind;
    int where; /* index of the variable, or -1 */
    int order, fail_order;
    char operator;
    bool weak, shared;
    bool nap;            /* of WAIT: nobody is to wake it */
    uint64_t operand;    /* also: what WAIT expects, how many WAKE wakes */
    void *out;           /* what CAS expects, where CLOCK puts the time */
    int64_t deadline_ns; /* of WAIT */
    const void *pc;
};

struct thread {
    void *resume[5], *restart[5]; /* for __builtin_longjmp */
    char *stack, *sp, *first_sp;
    void (*body)(void);
    struct op op;
    uint64_t result, stack_hash;
    struct view view;
    int64_t now;
    unsigned seen; /* stores at the time of the last load */
    int saved_errno;
    uint16_t locals;                 /* the header's thread-local numbers */
    int mischief, ticks, short_naps; /* how many of each are left */
    bool done, ready, hashed;        /* ready: has its result */
};

extern struct thread threads[THREADS + 1];
extern struct cell cells[VARIABLES];
extern const struct suite *suite;
extern const struct scenario *scenario;
extern const struct variable *variables; /* of the suite */
extern bool weak;                        /* loads may read older messages */
extern bool aborted, napped;
extern const char *dead; /* the object that has been freed */
extern unsigned stores, wakes;
extern char outcome[128], failure[256]; /* failure is empty if there is none */
extern const void *failed_at;

void create_threads(void);
void restart(void);                 /* clears all, runs setup */
void run_alone(void (*body)(void)); /* as MAIN */

/* The ways there are for the thread's next step to go, as a set of bits; see
   do_step for what each means. Bit 0 is the usual way. */
uint32_t choices_of(const struct thread *t);

/* What a step reads and writes: two bits for each variable, for its value and
   for those who sleep on it. */
/* Whether the thread naps: it sleeps, and nobody is to wake it. */
bool naps(const struct thread *t);

void footprint(const struct op *op, uint32_t *reads, uint32_t *writes);

/* Does the thread's next step, in the way chosen, and runs all threads that
   have their result up to their next steps. */
void do_step(struct thread *t, int choice);

/* Called after each step, with its result still to be handed over. */
extern void (*after_step)(const struct thread *t, int choice);

void fail(const char *what, const char *which, const void *pc);
uint64_t fetch(const void *address, size_t size);

#endif
