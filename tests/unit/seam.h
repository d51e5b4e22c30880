/* The header's seam over the kernel's futex, with counters and with hooks in
   which a test can hold a thread at the exact spot that it wants to test.
   Include it before wg.h. */
#ifndef SEAM_H
#define SEAM_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct seam {
    atomic_int waits, wakes;               /* calls so far */
    void (*on_wait)(void *word);           /* registered, about to sleep */
    void (*on_wake)(void *word);           /* the word says released */
    void (*on_panic)(const char *message); /* misuse, before the abort */
    int64_t (*now_ns)(void);               /* in place of the clock */
};
extern struct seam seam;

/* Counters to 0, hooks off. */
void seam_reset(void);

/* For on_wait: posts seam_held, and holds the thread until seam_let_go. */
void seam_hold(void *word);
extern sem_t seam_held, seam_let_go;

int seam_wait(void *word, uint32_t expected, int64_t deadline_ns, bool shared);
void seam_wake(void *word, bool shared);
int64_t seam_now_ns(void);
void seam_panic(const char *message);

#define WG_FUTEX_WAIT seam_wait
#define WG_FUTEX_WAKE seam_wake
#define WG_NOW_NS seam_now_ns
#define WG_PANIC seam_panic

#endif
