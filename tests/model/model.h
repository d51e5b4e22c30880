/* The model: what each call of wg.h comes to, by the manual and the design. */
#ifndef MODEL_H
#define MODEL_H

#include "calls.h"

/* The texts of misuse. Where several fit, the first is written. */
enum text {
    INVALID_DELTA,
    INVALID_NSEC,
    COPIED,
    NEGATIVE,
    OVERFLOW,
    CLOSED,
    CONCURRENT,
    REUSED,
    TOO_MANY,
    FUTEX,
    CLOCK,
    TEXTS
};
extern const char *const texts[TEXTS];

struct group {
    bool shared, closed;
    int64_t counter;
    uint32_t waiters;         /* registered and not left, others' too */
    const struct group *home; /* where its first add found it, or NULL */
    bool bad_mark, bad_rest;  /* garbage: in the mark; elsewhere */
    bool asleep;              /* somebody sleeps, or slept in this round */
    bool released;            /* waiters of a finished round are leaving */
    bool dead;                /* after misuse: nothing more is promised */
};

/* What a call does next. */
struct answer {
    enum { RETURNS, ABORTS, SLEEPS } what;
    int64_t result; /* RETURNS */
    enum text text; /* ABORTS, with these numbers in the line */
    int64_t counter;
    uint32_t waiters;
    int64_t deadline; /* SLEEPS */
    int clocks;       /* looks at the clock until then, at most */
    int wakes;        /* calls to wake */
};

/* What becomes of a thread that wg_go asks for: see GO's b. An errno value is
   that of pthread_create. */
enum { RUNS = 0, IS_KEPT = -1, NO_MEMORY = -2 };

/* The call begins, at a time of now; below 0, the clock fails. */
struct answer model_call(struct group *g, enum call call, int64_t a, int64_t b,
                         int64_t now);

/* The call's sleep ends. */
enum end { WOKEN, TIMED_OUT, REFUSED };
struct answer model_wake(struct group *g, enum call call, int64_t a, int64_t b,
                         int64_t now, int64_t deadline, enum end end);

#endif
