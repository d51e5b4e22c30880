/* Timed waits: they end when they should, with the right answer, and leave no
   trace. Compiled with the seam, to put them where timing seldom does. */
#define _GNU_SOURCE
#include "check.h"
#include "seam.h"

#include <signal.h>
#include <time.h>

#define WG_SPIN 1
#include "wg.h"

static const int64_t ms = 1000000;

static struct timespec in(int64_t ns)
{
    const int64_t then = seam_now_ns() + ns;
    return (struct timespec){(time_t)(then / 1000000000),
                             (long)(then % 1000000000)};
}

static void a_counter_of_0_beats_every_deadline(void **state)
{
    static const int64_t timeouts[] = {INT64_MIN, -1, 0, 1, 1000, INT64_MAX};
    static const struct timespec deadlines[] = {
        {-1, 0}, {0, 0}, {0, 999999999}, {1, 0}};
    wg_t wg = WG_INIT;
    (void)state;
    for (unsigned i = 0; i < sizeof timeouts / sizeof *timeouts; i++)
        assert_true(wg_wait_for(&wg, timeouts[i]));
    for (unsigned i = 0; i < sizeof deadlines / sizeof *deadlines; i++)
        assert_true(wg_wait_until(&wg, &deadlines[i]));
    assert_true(wg_wait_until(&wg, &(struct timespec){INT32_MAX, 0}));
}

static void a_deadline_in_the_past_does_not_block(void **state)
{
    static const struct timespec past[] = {
        {-1, 999999999}, {0, 0}, {0, 999999999}};
    wg_t wg = WG_INIT;
    (void)state;
    seam_reset();
    wg_add(&wg, 1);
    assert_false(wg_wait_for(&wg, 0));
    assert_false(wg_wait_for(&wg, -1));
    assert_false(wg_wait_for(&wg, INT64_MIN));
    for (unsigned i = 0; i < sizeof past / sizeof *past; i++)
        assert_false(wg_wait_until(&wg, &past[i]));
    const struct timespec now = in(0);
    assert_false(wg_wait_until(&wg, &now));
    if (sizeof(time_t) == 8)
        assert_false(
            wg_wait_until(&wg, &(struct timespec){(time_t)INT64_MIN, 0}));
    assert_int_equal(seam.waits, 0);
    assert_true(STATE(&wg) == (uint64_t)1 << 32);
}

static void a_wait_lasts_as_long_as_it_should(void **state)
{
    static const int64_t timeouts[] = {1, 1000, 1000000, 60000000};
    wg_t wg = WG_INIT;
    (void)state;
    seam_reset();
    wg_add(&wg, 1);
    for (unsigned i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        const int64_t start = seam_now_ns();
        assert_false(wg_wait_for(&wg, timeouts[i]));
        assert_true(seam_now_ns() - start >= timeouts[i]);
        const struct timespec deadline = in(timeouts[i]);
        assert_false(wg_wait_until(&wg, &deadline));
        assert_true(seam_now_ns() - start >= 2 * timeouts[i]);
        assert_true(STATE(&wg) == (uint64_t)1 << 32);
    }
    assert_true(seam.waits > 0);
}

static void *done(void *wg)
{
    UNTIL(WAITERS((wg_t *)wg) == 1);
    wg_done(wg);
    return NULL;
}

static void far_deadlines_do_not_overflow(void **state)
{
    static const int64_t timeouts[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2,
                                       3600000000000};
    wg_t wg = WG_INIT;
    (void)state;
    for (unsigned i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        wg_add(&wg, 1);
        const pthread_t thread = start(done, &wg);
        assert_true(wg_wait_for(&wg, timeouts[i]));
        join(thread);
    }
    const time_t end_of_time =
        sizeof(time_t) == 8 ? (time_t)INT64_MAX : (time_t)INT32_MAX;
    wg_add(&wg, 1);
    const pthread_t thread = start(done, &wg);
    assert_true(wg_wait_until(&wg, &(struct timespec){end_of_time, 999999999}));
    join(thread);
}

static atomic_int handled;

static void count_signal(int signal)
{
    (void)signal;
    handled++;
}

struct timed {
    wg_t wg;
    int64_t timeout, lasted;
    bool reached_0;
    atomic_bool over;
};

static void *timed_waiter(void *arg)
{
    struct timed *timed = arg;
    const int64_t start = seam_now_ns();
    timed->reached_0 = wg_wait_for(&timed->wg, timed->timeout);
    timed->lasted = seam_now_ns() - start;
    timed->over = true;
    return NULL;
}

static void signals_neither_end_nor_lengthen_a_wait(void **state)
{
    const struct sigaction action = {.sa_handler = count_signal};
    struct timed timed = {.wg = WG_INIT, .timeout = 100 * ms};
    (void)state;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    wg_add(&timed.wg, 1);
    const pthread_t thread = start(timed_waiter, &timed);
    while (!timed.over) {
        handled = 0;
        pthread_kill(thread, SIGUSR1);
        UNTIL(handled == 1 || timed.over);
    }
    join(thread);
    assert_false(timed.reached_0);
    assert_true(timed.lasted >= timed.timeout &&
                timed.lasted < 50 * timed.timeout);
    assert_true(STATE(&timed.wg) == (uint64_t)1 << 32);
}

/* The release as it is between its two steps, made by hand. */
static atomic_int times_up;
static wg_t half_way = WG_INIT;

static void bring_to_0_without_release(void *word)
{
    (void)word;
    if (times_up++ == 0)
        atomic_fetch_sub(&half_way.state, (uint64_t)1 << 32);
}

static void *set_released(void *arg)
{
    (void)arg;
    UNTIL(times_up ==
          2); /* its time was up, and now it sleeps for the release */
    atomic_store(&half_way.word, WG_RELEASED_);
    seam_wake(&half_way.word, false);
    return NULL;
}

static void success_if_the_release_is_under_way_when_time_is_up(void **state)
{
    (void)state;
    seam_reset();
    seam.on_wait = bring_to_0_without_release;
    wg_add(&half_way, 1);
    const pthread_t thread = start(set_released, NULL);
    assert_true(wg_wait_for(&half_way, ms));
    join(thread);
    assert_int_equal(seam.waits, 2); /* the second one has no deadline */
    seam_reset();
    assert_true(STATE(&half_way) == 0);
}

enum { WAITERS_AT_ONCE = 8, SECONDS = 1 };

struct storm {
    wg_t wg;
    atomic_int round, returned, successes, failures; /* round -1: the end */
    _Atomic(int64_t) timeout;
    atomic_bool released;
    atomic_int wrong;
};

static void *time_out_again_and_again(void *arg)
{
    struct storm *storm = arg;
    for (int round = 1;; round++) {
        UNTIL(storm->round == round || storm->round < 0);
        if (storm->round < 0)
            return NULL;
        const bool released = storm->released;
        const bool reached_0 = wg_wait_for(&storm->wg, storm->timeout);
        if (released && !reached_0)
            storm->wrong++;
        if (reached_0)
            storm->successes++;
        else
            storm->failures++;
        storm->returned++;
    }
}

static void timeouts_against_dones_leave_no_trace(void **state)
{
    struct storm storm = {.wg = WG_INIT};
    pthread_t threads[WAITERS_AT_ONCE];
    (void)state;
    seam_reset();
    for (int i = 0; i < WAITERS_AT_ONCE; i++)
        threads[i] = start(time_out_again_and_again, &storm);
    const int64_t end = seam_now_ns() + SECONDS * 1000 * ms;
    int round = 1;
    for (; seam_now_ns() < end || round < 100; round++) {
        storm.timeout = 1 + (int64_t)(round * 7919 % 200) * 1000;
        storm.returned = 0;
        storm.released = false;
        wg_add(&storm.wg, 2);
        storm.round = round;
        const int64_t release = seam_now_ns() + (int64_t)(round % 50) * 4000;
        UNTIL(seam_now_ns() >= release);
        wg_done(&storm.wg);
        wg_done(&storm.wg);
        storm.released = true;
        UNTIL(storm.returned == WAITERS_AT_ONCE);
        if (STATE(&storm.wg) != 0)
            fail_msg("round %d: state is 0x%llx", round,
                     (unsigned long long)STATE(&storm.wg));
    }
    storm.round = -1;
    for (int i = 0; i < WAITERS_AT_ONCE; i++)
        join(threads[i]);
    assert_int_equal(storm.wrong, 0);
    assert_int_equal(storm.successes + storm.failures,
                     WAITERS_AT_ONCE * (round - 1));
    assert_true(storm.successes > 0 && storm.failures > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_counter_of_0_beats_every_deadline),
        TEST(a_deadline_in_the_past_does_not_block),
        TEST(a_wait_lasts_as_long_as_it_should),
        TEST(far_deadlines_do_not_overflow),
        TEST(signals_neither_end_nor_lengthen_a_wait),
        TEST(success_if_the_release_is_under_way_when_time_is_up),
        TEST(timeouts_against_dones_leave_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
