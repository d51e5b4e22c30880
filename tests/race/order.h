/*
 * order.h - puts threads in order in time, without ordering their memory
 *
 * What a race detector finds must not hang on luck: the threads take turns. But
 * the turns must not hide the race either, so they give no happens-before edge.
 * For ThreadSanitizer a relaxed operation gives none. Helgrind and DRD get an
 * edge from no atomic operation at all, and are told not to check the count.
 */
#ifndef WG_TESTS_RACE_ORDER_H
#define WG_TESTS_RACE_ORDER_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef WG_VALGRIND
#include <valgrind/helgrind.h>
#endif
#include "wg.h"

static atomic_int turns; /* taken so far */

static inline void order_init(void)
{
#ifdef WG_VALGRIND
    VALGRIND_HG_DISABLE_CHECKING(&turns, sizeof turns); /* DRD listens too */
#endif
}

static inline void await_turns(int count)
{
    while (atomic_load_explicit(&turns, memory_order_relaxed) < count) {
        sched_yield();
    }
}

static inline void take_turn(void)
{
    atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed);
}

/* Until that many waiters are registered. */
static inline void await_waiters(wg_t *wg, unsigned count)
{
    while ((atomic_load_explicit(&wg->state, memory_order_relaxed) &
            WG_WAITERS_) < count) {
        sched_yield();
    }
}

/* Until a waiter sleeps or is about to: the next release makes a wake. */
static inline void await_sleeper(wg_t *wg)
{
    while (atomic_load_explicit(&wg->word, memory_order_relaxed) !=
           WG_ASLEEP_) {
        sched_yield();
    }
}

/* Until the counter is 0, with none of the order that wg_wait gives. */
static inline void await_zero(const wg_t *wg)
{
    while (wg_count(wg) != 0) {
        sched_yield();
    }
}

static inline void expect(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "expected: %s\n", what);
        exit(1);
    }
}

static inline pthread_t start(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    expect(pthread_create(&thread, NULL, run, arg) == 0, "a thread");
    return thread;
}

static inline void join(pthread_t thread)
{
    expect(pthread_join(thread, NULL) == 0, "to join");
}

struct test {
    const char *name;
    void (*run)(void);
};

/* Runs the test that is named, or lists the names. */
static inline int order_main(int argc, char **argv, const struct test *tests)
{
    order_init();
    for (; tests->name != NULL; tests++) {
        if (argc < 2) {
            puts(tests->name);
        } else if (strcmp(argv[1], tests->name) == 0) {
            tests->run();
            return 0;
        }
    }
    return argc < 2 ? 0 : 2;
}

#endif
