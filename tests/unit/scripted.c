/* The seam's own contract: what it is asked for, how often, with which words
   and times, and what is made of each answer. WG_SPIN is defined besides. */
#define _GNU_SOURCE
#include "check.h"
#include "script.h"

#define WG_SPIN 3
#include "wg.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static const uint64_t one = (uint64_t)1 << 32;

static wg_t wg;

/* A group of this counter, for which so many others wait. Private and shared
   ones are tried in turn. */
static bool shared;

static void set_up(int counter, int waiters, uint32_t word)
{
    script_reset();
    shared = !shared;
    (shared ? wg_init_shared : wg_init)(&wg);
    wg_add(&wg, 1);
    atomic_fetch_add(&wg.state, ((uint64_t)counter - 1) * one);
    atomic_fetch_add(&wg.state, (uint64_t)waiters);
    atomic_store(&wg.word, word);
}

/* ---- What other threads do ---- */

static int release(void)
{
    wg_add(&wg, -wg_count(&wg));
    return 0;
}

/* Nothing, but for the last of so many times. */
static int wakes_in_vain;

static int release_at_last(void)
{
    assert_int_equal(script.expected, 1);
    assert_int_equal(atomic_load(&wg.word), 1);
    assert_ptr_equal(script.word, &wg.word);
    assert_int_equal(script.shared, shared);
    if (--wakes_in_vain >= 0)
        return 0;
    return release();
}

static int answer;

static int say_so(void)
{
    return answer;
}

/* ---- Deadlines ---- */

static void the_deadline_of_wait_for_is_absolute(void **state)
{
    static const int64_t now = 5000000000, end = INT64_MAX;
    static const struct {
        int64_t now, timeout, deadline;
    } rows[] = {
        {0, 1, 1},
        {0, end - 1, end - 1},
        {0, end, end},
        {1, end - 2, end - 1},
        {1, end - 1, end},
        {1, end, end},
        {now, 1, now + 1},
        {now, 999999999, now + 999999999},
        {now, now, now + now},
        {now, end - now - 1, end - 1},
        {now, end - now, end},
        {now, end - now + 1, end},
        {now, end - 1, end},
        {now, end, end},
        {end - 2, 1, end - 1},
        {end - 1, 1, end},
        {end, 1, end},
        {end, end, end},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        set_up(1, 0, 0);
        script.now_ns = rows[i].now;
        script.on_wait = release;
        assert_true(wg_wait_for(&wg, rows[i].timeout));
        assert_int_equal(script.waits, 1);
        assert_int_equal(script.clocks, 1);
        if (script.deadline_ns != rows[i].deadline)
            fail_msg("row %u: until %lld", i, (long long)script.deadline_ns);
    }
}

static void the_deadline_of_wait_until_is_as_given(void **state)
{
    static const struct {
        int64_t seconds, ns, deadline;
    } rows[] = {
        {0, 1, 1},
        {0, 999999999, 999999999},
        {1, 0, 1000000000},
        {7, 8, 7000000008},
        {INT32_MAX, 999999999, 2147483647999999999},
        {9223372035, 999999999, 9223372035999999999},
        {9223372036, 0, 9223372036000000000},
        {9223372036, 854775806, INT64_MAX - 1},
        {9223372036, 854775807, INT64_MAX},
        {9223372036, 854775808, INT64_MAX},
        {9223372036, 999999999, INT64_MAX},
        {9223372037, 0, INT64_MAX},
        {18446744073, 709551617, INT64_MAX}, /* 1 ns, modulo 2^64 */
        {INT64_MAX, 0, INT64_MAX},
        {INT64_MAX, 999999999, INT64_MAX},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct timespec deadline = {(time_t)rows[i].seconds,
                                          (long)rows[i].ns};
        if ((int64_t)deadline.tv_sec != rows[i].seconds)
            continue; /* there is no such time here */
        set_up(1, 0, 0);
        script.now_ns = 0;
        script.on_wait = release;
        assert_true(wg_wait_until(&wg, &deadline));
        assert_int_equal(script.waits, 1);
        assert_int_equal(script.clocks, 1);
        if (script.deadline_ns != rows[i].deadline)
            fail_msg("row %u: until %lld", i, (long long)script.deadline_ns);
    }
}

static void from_the_deadline_on_it_only_looks(void **state)
{
    static const int64_t times[] = {0, 1, 999999999, 1000000000, 5000000000};
    (void)state;
    for (unsigned i = 0; i < sizeof times / sizeof *times; i++)
        for (int early = -1; early <= 1; early++) {
            const struct timespec deadline = {(time_t)(times[i] / 1000000000),
                                              (long)(times[i] % 1000000000)};
            if (times[i] < early)
                continue;
            set_up(1, 0, 0);
            script.now_ns = times[i] - early;
            script.on_wait = say_so;
            answer = ETIMEDOUT;
            assert_false(wg_wait_until(&wg, &deadline));
            assert_int_equal(script.waits, early > 0);
            assert_int_equal(script.clocks, 1);
            assert_int_equal(wg_count(&wg), 1);
            assert_int_equal(WAITERS(&wg), 0);
        }
}

static void before_the_clock_began_it_does_not_even_ask(void **state)
{
    static const struct timespec past[] = {{-1, 0}, {-1, 999999999}};
    (void)state;
    for (unsigned i = 0; i < sizeof past / sizeof *past; i++) {
        set_up(1, 0, 0);
        script.now_ns = 0;
        assert_false(wg_wait_until(&wg, &past[i]));
        struct timespec ages_ago = past[i];
        ages_ago.tv_sec = (time_t)(sizeof(time_t) == 8 ? INT64_MIN : INT32_MIN);
        assert_false(wg_wait_until(&wg, &ages_ago));
        assert_int_equal(script.clocks + script.waits, 0);
        assert_int_equal(wg_count(&wg), 1);
    }
}

static struct timespec bad_deadline;

static void wait_until_bad_deadline(void)
{
    (void)!wg_wait_until(&wg, &bad_deadline);
}

static void a_bad_tv_nsec_is_misuse_whatever_the_rest_says(void **state)
{
    static const long ns[] = {LONG_MIN, -1000000000, -1, 1000000000, LONG_MAX};
    const time_t seconds[] = {
        0, 1, -1, (time_t)(sizeof(time_t) == 8 ? INT64_MIN : INT32_MIN),
        (time_t)(sizeof(time_t) == 8 ? INT64_MAX : INT32_MAX)};
    (void)state;
    for (int counter = 0; counter < 2; counter++)
        for (int i = 0; i < 25; i++) {
            char expected[192];
            snprintf(expected, sizeof expected,
                     "wg: invalid argument: tv_nsec is not in 0..999999999 "
                     "(wg %p, counter %d, waiters 0)\n",
                     (void *)&wg, counter);
            set_up(counter, 0, 0);
            bad_deadline = (struct timespec){seconds[i / 5], ns[i % 5]};
            const char *const line = line_of(wait_until_bad_deadline);
            assert_string_equal(line, expected);
            assert_int_equal(script.clocks + script.waits, 0);
        }
}

/* ---- What becomes of the answers ---- */

static bool wait_1_of_4_ways(int way)
{
    switch (way) {
    case 0:
        return wg_wait_for(&wg, 1);
    case 1:
        return wg_wait_for(&wg, INT64_MAX);
    case 2:
        return wg_wait_until(&wg, &(struct timespec){2, 0});
    default:
        wg_wait(&wg);
        return true;
    }
}

static void a_wake_for_no_reason_makes_it_look_again(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * 4; i++) {
        set_up(2, 0, 0);
        script.on_wait = release_at_last;
        wakes_in_vain = 1000;
        assert_true(wait_1_of_4_ways(i / 2));
        assert_int_equal(script.waits, 1001);
        assert_int_equal(script.clocks, i / 2 != 3);
        assert_true(STATE(&wg) == 0);
        assert_int_equal(atomic_load(&wg.word), 0);
    }
}

static void any_number_above_0_says_that_time_is_up(void **state)
{
    static const int answers[] = {1, ETIMEDOUT, EINTR, EAGAIN, 4711, INT_MAX};
    (void)state;
    for (int i = 0; i < 6; i++)
        for (int way = 0; way <= 2; way += 2)
            for (int others = 0; others < 2; others++) {
                set_up(3, others, others);
                script.on_wait = say_so;
                answer = answers[i];
                assert_false(wait_1_of_4_ways(way));
                assert_int_equal(script.waits, 1);
                assert_int_equal(script.clocks, 1);
                assert_true(STATE(&wg) == 3 * one + (unsigned)others);
                /* To clear it would lose the wake of another. */
                assert_true(others == 0 || atomic_load(&wg.word) == 1);
            }
}

static int time_is_up_too_early(void)
{
    assert_true(script.deadline_ns == INT64_MAX);
    (void)release_at_last();
    return ETIMEDOUT;
}

static int64_t deadline_ns;

static int time_is_up_at_last(void)
{
    assert_true(script.deadline_ns == deadline_ns);
    return --wakes_in_vain >= 0 ? 0 : ETIMEDOUT;
}

/* Signals, say, or wakes meant for whatever else has had this address. */
static void wakes_in_vain_do_not_put_off_the_deadline(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * 2; i++) {
        set_up(1, 0, 0);
        script.on_wait = time_is_up_at_last;
        deadline_ns = i < 2 ? script.now_ns + 1 : 2000000000;
        wakes_in_vain = 5000;
        assert_false(wait_1_of_4_ways(i < 2 ? 0 : 2));
        assert_int_equal(script.waits, 5001);
        assert_int_equal(script.clocks, 1);
        assert_true(STATE(&wg) == one);
    }
}

static void without_a_deadline_time_is_never_up(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * 2; i++) {
        set_up(1, 1, 1);
        script.on_wait = time_is_up_too_early;
        wakes_in_vain = 10;
        assert_true(wait_1_of_4_ways(i < 2 ? 1 : 3));
        assert_int_equal(script.waits, 11);
        assert_true(STATE(&wg) == 1);
    }
}

/* Between the two steps of a release, time is up. */
static int release_by_steps(void)
{
    if (script.waits == 1) {
        atomic_fetch_sub(&wg.state, one);
        assert_true(script.deadline_ns == 2000000000);
    } else {
        assert_true(script.deadline_ns == INT64_MAX);
        if (script.waits == 5)
            atomic_store(&wg.word, WG_RELEASED_);
    }
    return ETIMEDOUT;
}

static void when_the_counter_is_at_0_it_awaits_the_release(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        set_up(1, 0, 0);
        script.on_wait = release_by_steps;
        assert_true(wait_1_of_4_ways(2));
        assert_int_equal(script.waits, 5);
        assert_int_equal(script.clocks, 1);
        assert_true(STATE(&wg) == 0);
    }
}

static void release_meanwhile(void)
{
    (void)release();
}

/* To read the clock takes time, in which the counter may reach 0: as the wait
   has not begun until it is registered, nobody releases it then. */
static void a_round_may_end_while_the_clock_is_read(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * 3; i++) {
        set_up(2, 0, 0);
        script.on_clock = release_meanwhile;
        assert_true(wait_1_of_4_ways(i / 2));
        assert_int_equal(script.waits + script.wakes, 0);
        assert_int_equal(script.clocks, 1);
        assert_true(STATE(&wg) == 0);
        assert_int_equal(atomic_load(&wg.word), 0);
    }
    /* Even if the time is up by then. */
    set_up(2, 0, 0);
    script.on_clock = release_meanwhile;
    script.now_ns = 5000000000;
    assert_true(wg_wait_until(&wg, &(struct timespec){5, 0}));
    assert_int_equal(script.waits + script.wakes, 0);
}

/* ---- Wakes ---- */

static void a_release_wakes_once_and_only_if_somebody_sleeps(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        for (int waiters = 1; waiters < 4; waiters++)
            for (uint32_t word = 0; word < 2; word++) {
                set_up(3, waiters, word);
                wg_add(&wg, -1);
                wg_add(&wg, 0);
                assert_false(wg_done(&wg));
                assert_int_equal(atomic_load(&wg.word), word);
                assert_int_equal(script.wakes, 0);
                assert_true(wg_done(&wg));
                assert_int_equal(atomic_load(&wg.word), 2);
                assert_int_equal(script.wakes, word);
                if (word == 1) {
                    assert_ptr_equal(script.word, &wg.word);
                    assert_int_equal(script.shared, shared);
                }
            }
        set_up(1, 0, 1); /* as a wait leaves it that has timed out */
        assert_true(wg_done(&wg));
        assert_int_equal(script.wakes, 0);
    }
}

/* The waiters have left, and freed the group. */
static wg_t *mapped;

static void unmap_it(void)
{
    assert_int_equal(atomic_load(&mapped->word), 2);
    assert_ptr_equal(script.word, &mapped->word);
    assert_int_equal(munmap(mapped, sizeof *mapped), 0);
}

static void whoever_wakes_touches_the_group_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * 2; i++) {
        script_reset();
        script.on_wake = unmap_it;
        mapped = mmap(NULL, sizeof *mapped, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(mapped != MAP_FAILED);
        if (i < 2)
            wg_init_shared(mapped);
        wg_add(mapped, 2);
        atomic_fetch_add(&mapped->state, 1);
        atomic_store(&mapped->word, WG_ASLEEP_);
        if (i % 2 == 0)
            wg_add(mapped, -2);
        else
            assert_true(!wg_done(mapped) && wg_done(mapped));
        assert_int_equal(script.wakes, 1);
        assert_int_equal(script.shared, i < 2);
    }
}

/* ---- Naps ---- */

enum { NAPS = 5000 }; /* of which none is longer than the first */

static int nap(void)
{
    const uint64_t waiters = script.waits < NAPS ? 2 : 0;
    const uint32_t word = waiters > 0 ? (uint32_t)script.waits % 3 : 0;
    assert_true(script.deadline_ns == script.now_ns + 50000);
    assert_ptr_equal(script.word, &wg.word);
    assert_int_equal(script.shared, shared);
    /* It sleeps on whatever is there, and leaves that as it is: a release may
       be between its steps yet. */
    assert_int_equal(script.expected, atomic_load(&wg.word));
    assert_int_equal(script.expected,
                     script.waits == 1 ? 2 : (script.waits - 1) % 3);
    assert_true(STATE(&wg) == 2);
    atomic_store(&wg.word, word);
    atomic_fetch_sub(&wg.state, 2 - waiters);
    script.now_ns += 1000;
    return script.waits % 2 == 0 ? 0 : ETIMEDOUT;
}

static void try_add_naps_until_the_waiters_have_left(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        set_up(1, 2, 1);
        assert_true(wg_done(&wg));
        script_reset();
        script.on_wait = nap;
        assert_true(wg_try_add(&wg, 7));
        assert_int_equal(script.waits, NAPS);
        assert_int_equal(script.clocks, NAPS);
        assert_int_equal(script.wakes, 0);
        assert_true(STATE(&wg) == 7 * one);
    }
}

/* ---- Looks ---- */

static int pauses_left;

static void release_at_a_pause(void)
{
    if (--pauses_left == 0)
        (void)release();
}

static void leave_at_a_pause(void)
{
    if (--pauses_left == 0) {
        atomic_store(&wg.word, 0);
        atomic_fetch_sub(&wg.state, 2);
    }
}

/* A fiber may change its thread, so nothing is kept from wait to wait. */
static void every_wait_looks_and_none_is_skipped(void **state)
{
    (void)state;
    if (!COUNTS_PAUSES)
        skip();
    for (int i = 0; i < 300; i++) {
        const int others = i % 4;
        set_up(1, others, 0);
        script.on_wait = release;
        wg_wait(&wg);
        assert_int_equal(script.pauses, others < 2 ? WG_SPIN : 0);
        assert_int_equal(script.waits, 1);
        set_up(1, 0, 0);
        script.on_pause = release_at_a_pause;
        pauses_left = 1 + i % WG_SPIN;
        wg_wait(&wg);
        assert_int_equal(script.pauses, 1 + i % WG_SPIN);
        assert_int_equal(script.waits + script.wakes, 0);
    }
}

static void try_add_pauses_before_it_naps(void **state)
{
    (void)state;
    if (!COUNTS_PAUSES)
        skip();
    for (int i = 1; i <= WG_SPIN; i++) {
        set_up(1, 2, 1);
        assert_true(wg_done(&wg));
        script_reset();
        script.on_pause = leave_at_a_pause;
        pauses_left = i;
        assert_true(wg_try_add(&wg, 1));
        assert_int_equal(script.pauses, i);
        assert_int_equal(script.waits + script.clocks, 0);
    }
    set_up(1, 2, 1);
    assert_true(wg_done(&wg));
    script_reset();
    script.on_wait = nap;
    assert_true(wg_try_add(&wg, 1));
    assert_int_equal(script.pauses, WG_SPIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_deadline_of_wait_for_is_absolute),
        TEST(the_deadline_of_wait_until_is_as_given),
        TEST(from_the_deadline_on_it_only_looks),
        TEST(before_the_clock_began_it_does_not_even_ask),
        TEST(a_bad_tv_nsec_is_misuse_whatever_the_rest_says),
        TEST(a_wake_for_no_reason_makes_it_look_again),
        TEST(any_number_above_0_says_that_time_is_up),
        TEST(wakes_in_vain_do_not_put_off_the_deadline),
        TEST(without_a_deadline_time_is_never_up),
        TEST(when_the_counter_is_at_0_it_awaits_the_release),
        TEST(a_round_may_end_while_the_clock_is_read),
        TEST(a_release_wakes_once_and_only_if_somebody_sleeps),
        TEST(whoever_wakes_touches_the_group_no_more),
        TEST(try_add_naps_until_the_waiters_have_left),
        TEST(every_wait_looks_and_none_is_skipped),
        TEST(try_add_pauses_before_it_naps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
