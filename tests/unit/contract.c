/* The promises of the contract, each held to on the sleeping path (WG_SPIN 0),
   where they are hardest to keep. */
#define _GNU_SOURCE
#define WG_SPIN 0
#include "check.h"
#include "wg.h"
#include "wg.h"                 /* twice does no harm */
enum { wg_misses_, wg_skips_ }; /* with WG_SPIN 0, no thread-local is there */

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* In units.c, which includes its own wg.h. */
extern void add_in_another_unit(wg_t *wg, int delta);
extern void wait_in_another_unit(wg_t *wg);

static void *done(void *wg)
{
    wg_done(wg);
    return NULL;
}

static void *waiter(void *wg)
{
    wg_wait(wg);
    return NULL;
}

static void a_group_may_die_on_the_stack_as_the_wait_returns(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        wg_t wg;
        wg_init(&wg);
        wg_add(&wg, 1);
        const pthread_t thread = start(done, &wg);
        wg_wait(&wg);
        memset((void *)&wg, 0xa5, sizeof wg);
        join(thread);
    }
}

/* Hands groups to a thread that counts them down. */
static struct {
    _Atomic(wg_t *) group;
    bool end;
} handed;

static void *done_on_what_is_handed(void *arg)
{
    (void)arg;
    for (;;) {
        wg_t *wg;
        UNTIL((wg = atomic_exchange(&handed.group, NULL)) != NULL);
        const bool last = handed.end;
        wg_done(wg);
        if (last)
            return NULL;
    }
}

static void unmap_after(bool (*wait)(wg_t *), int rounds)
{
    handed.end = false;
    const pthread_t thread = start(done_on_what_is_handed, NULL);
    for (int i = 1; i <= rounds; i++) {
        wg_t *wg = mmap(NULL, sizeof *wg, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(wg != MAP_FAILED);
        wg_add(wg, 1);
        handed.end = i == rounds;
        handed.group = wg;
        UNTIL(wait(wg));
        assert_int_equal(munmap(wg, sizeof *wg), 0);
    }
    join(thread);
}

static bool wait_without_end(wg_t *wg)
{
    wg_wait(wg);
    return true;
}

static void memory_may_be_unmapped_as_the_wait_returns(void **state)
{
    (void)state;
    unmap_after(wait_without_end, 10000 / SLOW);
}

static void memory_may_be_unmapped_as_try_wait_returns_true(void **state)
{
    (void)state;
    unmap_after(wg_try_wait, 5000 / SLOW);
}

static void add_of_0_does_nothing(void **state)
{
    wg_t wg = WG_INIT;
    (void)state;
    wg_add(&wg, 0);
    assert_true(STATE(&wg) == 0);
    wg_close(&wg);
    wg_add(&wg, 0);
}

static void a_timeout_in_the_past_is_a_look(void **state)
{
    wg_t wg = WG_INIT;
    (void)state;
    wg_add(&wg, 1);
    assert_false(wg_wait_for(&wg, 0));
    assert_false(wg_wait_for(&wg, -1));
    assert_false(wg_wait_for(&wg, INT64_MIN));
    assert_false(wg_wait_until(&wg, &(struct timespec){-1, 0}));
    assert_true(wg_done(&wg));
}

static void the_counter_reaches_INT32_MAX(void **state)
{
    wg_t wg = WG_INIT;
    (void)state;
    wg_add(&wg, INT32_MAX - 1);
    wg_add(&wg, 1);
    assert_int_equal(wg_count(&wg), INT32_MAX);
    assert_false(wg_try_wait(&wg));
    wg_add(&wg, -INT32_MAX);
    assert_int_equal(wg_count(&wg), 0);
    assert_true(wg_try_wait(&wg));
    wg_wait(&wg);
}

enum { THREADS = 4, ROUNDS = 2000 };

struct round {
    wg_t wg;
    int plain[THREADS]; /* written by the workers, without atomics */
    int sum;            /* by the one whose done was the last */
    int lasts;
};

struct worker {
    struct round *round;
    int number;
};

static void *write_and_done(void *arg)
{
    struct worker *worker = arg;
    struct round *round = worker->round;
    round->plain[worker->number] = worker->number + 1;
    if (wg_done(&round->wg)) {
        for (int i = 0; i < THREADS; i++)
            round->sum += round->plain[i];
        round->lasts++;
    }
    return NULL;
}

/* The race detector sees it if the last done did not order the plain data. */
static void done_is_true_once_a_round_and_after_all_others(void **state)
{
    struct round round = {.wg = WG_INIT};
    (void)state;
    for (int i = 1; i <= ROUNDS / 10; i++) {
        pthread_t threads[THREADS];
        struct worker workers[THREADS];
        memset(round.plain, 0, sizeof round.plain);
        round.sum = 0;
        wg_add(&round.wg, THREADS);
        for (int j = 0; j < THREADS; j++) {
            workers[j] = (struct worker){&round, j};
            threads[j] = start(write_and_done, &workers[j]);
        }
        wg_wait(&round.wg);
        int sum = 0;
        for (int j = 0; j < THREADS; j++)
            sum += round.plain[j];
        assert_int_equal(sum, 10);
        for (int j = 0; j < THREADS; j++)
            join(threads[j]);
        assert_int_equal(round.sum, 10);
        assert_int_equal(round.lasts, i);
    }
}

static void defer_counts_down_where_the_scope_is_left(void **state)
{
    wg_t one = WG_INIT, two = WG_INIT;
    (void)state;
    wg_add(&one, 3);
    wg_add(&two, 1);
    for (int i = 0; i < 3; i++) {
        WG_DEFER_DONE(&one);
        if (i == 1)
            continue;
        assert_int_equal(wg_count(&one), 3 - i);
    }
    {
        WG_DEFER_DONE(&two);
        assert_int_equal(wg_count(&two), 1);
    }
    assert_true(wg_try_wait(&one) && wg_try_wait(&two));
}

#ifndef __SANITIZE_THREAD__
static wg_t signalled = WG_INIT;

static void done_in_a_handler(int signal)
{
    (void)signal;
    wg_add(&signalled, 1);
    wg_done(&signalled);
    if (wg_count(&signalled) > 0 && !wg_try_wait(&signalled))
        wg_done(&signalled);
}

static void done_may_be_called_in_a_signal_handler(void **state)
{
    const struct sigaction action = {.sa_handler = done_in_a_handler};
    (void)state;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    for (int i = 0; i < 1000; i++) {
        wg_add(&signalled, 1);
        raise(SIGUSR1);
        assert_true(wg_try_wait(&signalled));
    }
    /* On the very thread that waits, too. */
    for (int i = 0; i < 100; i++) {
        wg_add(&signalled, 1);
        const pthread_t thread = start(waiter, &signalled);
        UNTIL(WAITERS(&signalled) == 1);
        assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
        join(thread);
    }
}

static atomic_int handled;

static void count_signal(int signal)
{
    (void)signal;
    handled++;
}

static void wait_goes_on_after(int flags)
{
    const struct sigaction action = {.sa_handler = count_signal,
                                     .sa_flags = flags};
    wg_t wg = WG_INIT;
    assert_int_equal(sigaction(SIGUSR2, &action, NULL), 0);
    wg_add(&wg, 1);
    const pthread_t thread = start(waiter, &wg);
    UNTIL(WAITERS(&wg) == 1);
    for (int i = 1; i <= 100; i++) {
        handled = 0;
        assert_int_equal(pthread_kill(thread, SIGUSR2), 0);
        UNTIL(handled == 1);
        assert_int_equal(WAITERS(&wg), 1);
    }
    wg_done(&wg);
    join(thread);
}

static void wait_goes_on_after_signals(void **state)
{
    (void)state;
    wait_goes_on_after(0);
    wait_goes_on_after(SA_RESTART);
}
#endif

struct cancelled {
    wg_t wg;
    bool came_through;
};

static void *cancelled_waiter(void *arg)
{
    struct cancelled *cancelled = arg;
    wg_t *wg = &cancelled->wg;
    pthread_cancel(pthread_self());
    wg_wait(wg);
    cancelled->came_through = wg_try_wait(wg) && wg_wait_for(wg, 1);
    wg_add(wg, 1);
    wg_done(wg);
    pthread_testcancel();
    return NULL;
}

static void no_call_is_a_cancellation_point(void **state)
{
    struct cancelled cancelled = {WG_INIT, false};
    void *result;
    (void)state;
    wg_add(&cancelled.wg, 1);
    const pthread_t thread = start(cancelled_waiter, &cancelled);
    UNTIL(WAITERS(&cancelled.wg) == 1);
    wg_done(&cancelled.wg);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_true(result == PTHREAD_CANCELED);
    assert_true(cancelled.came_through);
}

static void *add_done_in_turn(void *wg)
{
    for (int i = 0; i < ROUNDS; i++) {
        wg_add(wg, 1);
        wg_done(wg);
    }
    wg_done(wg); /* it was counted all the while, and so might add */
    return NULL;
}

static void two_translation_units_share_a_group(void **state)
{
    static wg_t wg = WG_INIT;
    (void)state;
    add_in_another_unit(&wg, 3);
    const pthread_t one = start(add_done_in_turn, &wg);
    const pthread_t two = start(done, &wg);
    wg_done(&wg);
    wait_in_another_unit(&wg);
    join(one);
    join(two);
    assert_true(STATE(&wg) == 0);
}

static void a_forked_child_initialises_what_others_waited_on(void **state)
{
    static wg_t wg = WG_INIT;
    (void)state;
    wg_add(&wg, 1);
    const pthread_t thread = start(waiter, &wg);
    UNTIL(WAITERS(&wg) == 1);
    const pid_t child = fork();
    if (child == 0) {
        wg_init(&wg);
        wg_add(&wg, 1);
        _exit(wg_done(&wg) && wg_try_wait(&wg) ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    wg_done(&wg);
    join(thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_group_may_die_on_the_stack_as_the_wait_returns),
        TEST(memory_may_be_unmapped_as_the_wait_returns),
        TEST(memory_may_be_unmapped_as_try_wait_returns_true),
        TEST(add_of_0_does_nothing),
        TEST(a_timeout_in_the_past_is_a_look),
        TEST(the_counter_reaches_INT32_MAX),
        TEST(done_is_true_once_a_round_and_after_all_others),
        TEST(defer_counts_down_where_the_scope_is_left),
#ifndef __SANITIZE_THREAD__ /* holds a handler back while its thread sleeps */
        TEST(done_may_be_called_in_a_signal_handler),
        TEST(wait_goes_on_after_signals),
#endif
        TEST(no_call_is_a_cancellation_point),
        TEST(two_translation_units_share_a_group),
        TEST(a_forked_child_initialises_what_others_waited_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
