/* wg_close and wg_try_add: a shutdown that cannot race. */
#include "check.h"
#include "seam.h"
#include "wg.h"
enum { wg_misses_, wg_skips_ }; /* with the seam, no thread-local is there */

#include <errno.h>

enum { THREADS = 4, ROUNDS = 1000 };

struct server {
    wg_t wg;
    atomic_int round, gone;
    atomic_bool closed;
    int served[THREADS]; /* plain data: written while counted */
    atomic_int accepted, turned_away, too_late, disordered;
    int closing; /* plain data: written before wg_close */
};

struct worker {
    struct server *server;
    int number;
};

static void *serve_until_closed(void *arg)
{
    struct worker *worker = arg;
    struct server *server = worker->server;
    for (int round = 1; round <= ROUNDS; round++) {
        UNTIL(server->round >= round);
        for (;;) {
            const bool closed = server->closed;
            if (!wg_try_add(&server->wg, 1))
                break;
            if (closed)
                server->too_late++;
            server->accepted++;
            server->served[worker->number]++;
            wg_done(&server->wg);
        }
        if (server->closing != round)
            server->disordered++;
        server->turned_away++;
        server->gone++;
    }
    return NULL;
}

static void whoever_is_accepted_is_waited_for(void **state)
{
    static struct server server = {.wg = WG_INIT};
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    (void)state;
    seam_reset();
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){&server, i};
        threads[i] = start(serve_until_closed, &workers[i]);
    }
    for (int round = 1; round <= ROUNDS; round++) {
        server.gone = 0;
        server.closed = false;
        server.round = round;
        const int before = server.accepted;
        UNTIL(server.accepted - before >= round % 20);
        server.closing = round;
        wg_close(&server.wg);
        server.closed = true;
        wg_wait(&server.wg);
        /* All who were accepted are done: their data is ours to read. */
        int served = 0;
        for (int i = 0; i < THREADS; i++)
            served += server.served[i];
        UNTIL(server.gone == THREADS);
        assert_int_equal(served, server.accepted);
        assert_int_equal(wg_count(&server.wg), 0);
        wg_init(&server.wg);
    }
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    assert_int_equal(server.too_late, 0);
    assert_int_equal(server.disordered, 0);
    assert_int_equal(server.turned_away, THREADS * ROUNDS);
    assert_true(server.accepted > 0);
}

static void try_add_adds_until_closed(void **state)
{
    wg_t wg = WG_INIT;
    (void)state;
    assert_true(wg_try_add(&wg, 3));
    assert_true(wg_try_add(&wg, INT32_MAX - 3));
    assert_int_equal(wg_count(&wg), INT32_MAX);
    wg_add(&wg, 3 - INT32_MAX);
    wg_close(&wg);
    wg_close(&wg); /* once more does no harm */
    assert_false(wg_try_add(&wg, 1));
    assert_int_equal(wg_count(&wg), 3);
    wg_add(&wg, -2);
    assert_true(wg_done(&wg));
    assert_true(wg_try_wait(&wg));
    assert_false(wg_try_add(&wg, 1));
    wg_init(&wg);
    assert_true(wg_try_add(&wg, 1));
    assert_true(wg_done(&wg));
}

static void *waiter(void *wg)
{
    wg_wait(wg);
    return NULL;
}

/* Holds the waiter inside its wait until somebody else naps for it. */
static pthread_t adder;
static atomic_int naps;

static void hold_until_the_adder_naps(void *word)
{
    if (!pthread_equal(pthread_self(), adder))
        seam_hold(word);
    else if (naps++ == 2)
        sem_post(&seam_let_go);
}

/* Leaves a waiter that is released, but still inside. */
static pthread_t release_and_hold(wg_t *wg)
{
    seam_reset();
    naps = 0;
    adder = pthread_self();
    seam.on_wait = hold_until_the_adder_naps;
    wg_add(wg, 1);
    const pthread_t thread = start(waiter, wg);
    sem_wait(&seam_held);
    assert_true(wg_try_add(wg, 1)); /* waiters, but above 0 */
    wg_add(wg, -2);
    wg_add(wg, 0); /* which does nothing to them */
    assert_true(STATE(wg) == 1);
    assert_int_equal(seam.wakes, 1);
    return thread;
}

static void try_add_waits_until_the_last_round_has_left(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        wg_t wg;
        (shared ? wg_init_shared : wg_init)(&wg);
        const pthread_t thread = release_and_hold(&wg);
        assert_true(wg_try_add(&wg, 1));
        assert_true(naps > 2);
        assert_true(STATE(&wg) >> 32 == 1 && WAITERS(&wg) == 0);
        join(thread);
        assert_true(wg_done(&wg));
    }
}

static void nothing_to_do(void *arg)
{
    (void)arg;
}

static void wg_go_waits_until_the_last_round_has_left(void **state)
{
    wg_t wg = WG_INIT;
    (void)state;
    const pthread_t thread = release_and_hold(&wg);
    assert_int_equal(wg_go(&wg, nothing_to_do, NULL), 0);
    assert_true(naps > 2);
    join(thread);
    wg_wait(&wg);
}

static void a_closed_group_answers_while_the_last_round_is_leaving(void **state)
{
    wg_t wg = WG_INIT;
    (void)state;
    const pthread_t thread = release_and_hold(&wg);
    wg_close(&wg);
    assert_false(wg_try_add(&wg, 1));
    assert_int_equal(wg_go(&wg, nothing_to_do, NULL), ECANCELED);
    assert_int_equal(naps, 0);
    sem_post(&seam_let_go);
    join(thread);
    assert_false(wg_try_add(&wg, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(try_add_adds_until_closed),
        TEST(try_add_waits_until_the_last_round_has_left),
        TEST(a_closed_group_answers_while_the_last_round_is_leaving),
        TEST(whoever_is_accepted_is_waited_for),
        /* Last: its thread may use the seam after the wait has returned. */
        TEST(wg_go_waits_until_the_last_round_has_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
