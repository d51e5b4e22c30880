/*
 * late_add.c - Go's first mistake: the worker itself counts that it has begun
 *
 *     late_add WHEN CALL
 *
 * WHEN, by the clock, which gives no order:
 *     early     The worker adds, the wait begins, the worker is done.
 *     finished  The worker adds and is done, and then the wait begins.
 *     late      The wait returns, and then the worker adds.
 *     next      The worker is done with one round, the wait for it returns, and
 *               the worker adds for the next one.
 *     timeout   The worker adds, the wait begins and gives up.
 *     poll      The same, by a wait that only looks.
 * CALL: wait, wait_for or wait_until; the last two need a timed one.
 *
 * ThreadSanitizer is to report each of them, by the add and by the wait.
 */
#include "order.h"
#include <stdbool.h>
#include <time.h>

enum when { EARLY, FINISHED, LATE, NEXT, TIMEOUT, POLL };

static wg_t wg = WG_INIT;
static enum when when;

static void *add_and_done(void *arg)
{
    if (when == NEXT) {
        await_waiters(&wg, 1);
        wg_done(&wg);
    }
    if (when == LATE || when == NEXT) {
        await_turns(1);
    }
    wg_add(&wg, 1);
    take_turn();
    if (when == EARLY) {
        await_waiters(&wg, 1);
    } else if (when >= TIMEOUT) {
        await_turns(2);
    }
    wg_done(&wg);
    take_turn();
    return arg;
}

static void wait_by(const char *call)
{
    const bool released = when < TIMEOUT;
    if (strcmp(call, "wait") == 0 && released) {
        wg_wait(&wg);
    } else if (strcmp(call, "wait_for") == 0) {
        expect(wg_wait_for(&wg, released ? INT64_MAX : when == POLL ? 0 : 1000) == released,
               "a release, or a timeout");
    } else {
        struct timespec deadline;
        expect(strcmp(call, "wait_until") == 0, "CALL");
        clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_sec += released ? 3600 : when == POLL ? -1 : 0;
        expect(wg_wait_until(&wg, &deadline) == released,
               "a release, or a timeout");
    }
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"early", "finished", "late", "next",
                                        "timeout", "poll"};
    expect(argc == 3, "WHEN and CALL");
    while (strcmp(argv[1], names[when]) != 0) {
        expect(when != POLL, "WHEN");
        when++;
    }
    if (when == NEXT) {
        wg_add(&wg, 1);
    }
    const pthread_t worker = start(add_and_done, NULL);
    if (when == EARLY || when >= TIMEOUT) {
        await_turns(1);
    } else if (when == FINISHED) {
        await_turns(2);
    }
    wait_by(argv[2]);
    take_turn();
    join(worker);
    return 0;
}
