/* What the parts of the test share: a few groups, the model's idea of each, and
   the calls that are in progress on them. */
#ifndef WORLD_H
#define WORLD_H

#include "model.h"

#include <setjmp.h>

enum { GROUPS = 4, STEPS = 60, OTHERS = 1048575 };

/* What memory is filled with in place of an initialised group: zeros, or one
   mistake. */
enum {
    ZEROS,
    BAD_MARK,
    BAD_WORD,     /* above 2 */
    BAD_BYTE,     /* one that should be 0 */
    WAITERS_ONLY, /* without a mark */
    COUNTER_ONLY,
    FILLS
};

/* A sequence is a list of steps. The steps that follow a call which sleeps are
   what the others do meanwhile, until one of them ends the sleep; so calls
   nest. A step that is not possible when its turn comes is left out. */
struct step {
    enum { CALL, COPY, FILL, OTHERS_WAIT, OTHERS_LEAVE, PASS, END } kind;
    int group, from; /* COPY: from group from */
    enum call call;
    int caller;
    int64_t a, b;          /* CALL; FILL, OTHERS_WAIT, PASS: what, how many */
    int64_t clock_failure; /* below 0: what the clock answers */
    int error;             /* errno before the call */
    enum end end;          /* END: how, and what the futex wait returns */
    int value;
};

/* A call in progress. */
struct frame {
    const struct step *step;
    struct answer answer; /* what the model says that it does next */
    int clocks, wakes, tasks, detached;
    bool slept, aborted;
    jmp_buf panic;
    char line[256]; /* of its misuse */
    int64_t result;
    int error;
};

extern void *objects[GROUPS];       /* where the groups of wg.h are */
extern struct group groups[GROUPS]; /* what the model says of them */
extern uint32_t others[GROUPS];     /* waiters that are no calls in progress */
extern int inside[GROUPS];          /* calls in progress */
extern struct frame frames[STEPS + 1];
extern int depth; /* how many frames */
extern int64_t now;

/* Threads that wg_go has asked for, and that have not run yet. */
extern struct job {
    int group;
    void *(*run)(void *);
    void *arg;
} jobs[STEPS];
extern int kept;
bool has_job(int group);

/* Whether a sleep in this call is a nap beside leaving waiters. */
bool naps(const struct step *step);

/* world.c: groups on new memory, at other places; then, step by step. */
void choose_places(void);
void start_over(int64_t start_time);
void take(const struct step *step);
void end_world(void);
extern const int number_of_callers;

/* random.c: chooses the next step. */
extern uint64_t randomness;
int below(int n);
void make_step(struct step *step, const struct step *last);

/* text.c: prints a step if tracing. */
extern bool tracing;
extern const char *const call_names[CALLS];
__attribute__((format(printf, 1, 2))) void print(const char *format, ...);
void print_call(const struct step *step);
void print_other(const struct step *step);
const char *number(int64_t n);
char letter(int group);
const char *expected(const struct frame *f);

/* main.c: what comes next; ends the sequence if nothing does. */
const struct step *next_step(void);
void count_outcome(const struct frame *f);
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format,
                                                          ...);
#endif
