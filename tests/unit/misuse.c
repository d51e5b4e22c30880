/* Each row of the misuse table ends in its text and SIGABRT, NDEBUG or not. */
#define _GNU_SOURCE
#undef NDEBUG
#define NDEBUG
#include "check.h"
#include "wg.h"

#include <string.h>

/* Death tests fork, so each finds this group as it is here. */
static wg_t wg = WG_INIT;

static void done_before_add(void)
{
    wg_done(&wg);
}

static void add_below_zero(void)
{
    wg_add(&wg, 5);
    wg_add(&wg, -7);
}

static void negative_counter(void **state)
{
    (void)state;
    expect_panic_on(&wg, done_before_add, "negative counter",
                    "counter -1, waiters 0");
    expect_panic_on(&wg, add_below_zero, "negative counter",
                    "counter -2, waiters 0");
}

static void add_past_the_end(void)
{
    wg_add(&wg, INT32_MAX);
    wg_add(&wg, 1);
}

static void add_far_past_the_end(void)
{
    wg_add(&wg, 2);
    wg_add(&wg, INT32_MAX);
}

static void try_add_past_the_end(void)
{
    wg_add(&wg, INT32_MAX);
    (void)!wg_try_add(&wg, 1);
}

static void counter_overflow(void **state)
{
    (void)state;
    expect_panic_on(&wg, add_past_the_end, "counter overflow",
                    "counter 2147483647, waiters 0");
    expect_panic_on(&wg, add_far_past_the_end, "counter overflow",
                    "counter 2, waiters 0");
    expect_panic_on(&wg, try_add_past_the_end, "counter overflow",
                    "counter 2147483647, waiters 0");
}

static const char lost[] =
    "copied or moved after first use, or never initialised";

/* ---- Memory that was never initialised ---- */

static wg_t garbage;

/* Fills length bytes from offset on, the rest is 0. */
static void spoil(size_t offset, size_t length, int byte)
{
    memset((void *)&garbage, 0, sizeof garbage);
    memset((char *)&garbage + offset, byte, length);
}

static void add_to_garbage(void)
{
    wg_add(&garbage, 1);
}

static void done_on_garbage(void)
{
    wg_done(&garbage);
}

static void wait_for_garbage(void)
{
    wg_wait(&garbage);
}

static void wait_some_time_for_garbage(void)
{
    (void)!wg_wait_for(&garbage, INT64_MAX);
}

static void try_add_to_garbage(void)
{
    (void)!wg_try_add(&garbage, 1);
}

static void close_garbage(void)
{
    wg_close(&garbage);
}

static void never_initialised(void **state)
{
    static const char numbers[] = "counter -1515870811, waiters 370085";
    static void (*const calls[])(void) = {
        add_to_garbage,     done_on_garbage,
        wait_for_garbage,   wait_some_time_for_garbage,
        try_add_to_garbage, close_garbage};
    (void)state;
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        spoil(0, sizeof garbage, 0xa5);
        expect_panic_on(&garbage, calls[i], lost, numbers);
    }
}

/* In the word, in each spare byte, in the waiters: where a first add meets it.
 */
static void never_initialised_in_part(void **state)
{
    (void)state;
    for (size_t byte = offsetof(wg_t, word); byte < sizeof garbage; byte++) {
        spoil(byte, 1, 0x40);
        expect_panic_on(&garbage, add_to_garbage, lost, "counter 0, waiters 0");
        expect_panic_on(&garbage, try_add_to_garbage, lost,
                        "counter 0, waiters 0");
        expect_panic_on(&garbage, close_garbage, lost, "counter 0, waiters 0");
    }
    /* Several bytes must not make up for each other. */
    for (size_t byte = offsetof(wg_t, word); byte < sizeof garbage; byte++)
        for (size_t last = byte + 1; last < sizeof garbage; last++) {
            spoil(byte, 1, 0x80);
            ((char *)&garbage)[last] = (char)0x80;
            expect_panic_on(&garbage, add_to_garbage, lost,
                            "counter 0, waiters 0");
        }
    memset((void *)&garbage, 0, sizeof garbage);
    atomic_store(&garbage.state, 5);
    expect_panic_on(&garbage, add_to_garbage, lost, "counter 0, waiters 5");
    expect_panic_on(&garbage, try_add_to_garbage, lost, "counter 0, waiters 5");
    atomic_store(&garbage.state, wg_ones_(7));
    expect_panic_on(&garbage, done_on_garbage, lost, "counter 7, waiters 0");
    atomic_store(&garbage.state, wg_ones_(-7));
    expect_panic_on(&garbage, wait_for_garbage, "negative counter",
                    "counter -7, waiters 0");
    expect_panic_on(&garbage, try_add_to_garbage, "negative counter",
                    "counter -7, waiters 0");
    expect_panic_on(&garbage, add_to_garbage, "negative counter",
                    "counter -6, waiters 0");
    atomic_store(&garbage.state, wg_ones_(-1));
    expect_panic_on(&garbage, add_to_garbage, "negative counter",
                    "counter -1, waiters 0");
    /* A word that is already released lets a wait go too soon. */
    atomic_store(&garbage.state, wg_mark_(&garbage) + wg_ones_(1));
    atomic_store(&garbage.word, WG_RELEASED_);
    expect_panic_on(&garbage, wait_for_garbage,
                    "reused before previous wg_wait has returned",
                    "counter 1, waiters 1");
    atomic_store(&garbage.word, 77);
    expect_panic_on(&garbage, wait_for_garbage, lost, "counter 1, waiters 1");
}

/* And wg_init does not care what the memory held. */
static void initialisers_work_on_used_memory(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        spoil(0, sizeof garbage, 0xff);
        (shared ? wg_init_shared : wg_init)(&garbage);
        assert_int_equal(wg_count(&garbage), 0);
        wg_add(&garbage, 1);
        assert_true(wg_is_shared_(atomic_load(&garbage.state)) == shared);
        assert_true(wg_done(&garbage));
        wg_wait(&garbage);
    }
}

static void add_after_close(void)
{
    wg_close(&wg);
    wg_add(&wg, 1);
}

static void add_to_a_closed_group(void **state)
{
    wg_t open = WG_INIT;
    (void)state;
    expect_panic_on(&wg, add_after_close, "wg_add on a closed group",
                    "counter 1, waiters 0");
    /* Above 0, those who are counted may go on adding. */
    wg_add(&open, 1);
    wg_close(&open);
    wg_add(&open, 1);
    wg_add(&open, -2);
    wg_wait(&open);
}

static void try_add_nothing(void)
{
    (void)!wg_try_add(&wg, 0);
}

static void try_add_less(void)
{
    (void)!wg_try_add(&wg, -1);
}

static void deadline_before_its_second(void)
{
    (void)!wg_wait_until(&wg, &(struct timespec){0, -1});
}

static void deadline_after_its_second(void)
{
    (void)!wg_wait_until(&wg, &(struct timespec){0, 1000000000});
}

static void invalid_argument(void **state)
{
    static const char delta[] = "invalid argument: wg_try_add of less than 1";
    static const char nsec[] =
        "invalid argument: tv_nsec is not in 0..999999999";
    (void)state;
    expect_panic_on(&wg, try_add_nothing, delta, "counter 0, waiters 0");
    expect_panic_on(&wg, try_add_less, delta, "counter 0, waiters 0");
    expect_panic_on(&wg, deadline_before_its_second, nsec,
                    "counter 0, waiters 0");
    expect_panic_on(&wg, deadline_after_its_second, nsec,
                    "counter 0, waiters 0");
}

/* ---- Where several texts fit: the first one of the manual's list ---- */

/* A group whose state is made by hand, so that everything is wrong with it. */
static wg_t crowded;
static uint64_t foreign_mark(void)
{
    return wg_mark_(&crowded) ^ (1 << 24);
}

static void add_to_crowded(void)
{
    wg_add(&crowded, 1);
}

static void add_much_to_crowded(void)
{
    wg_add(&crowded, INT32_MAX);
}

static void done_on_crowded(void)
{
    wg_done(&crowded);
}

static void wait_for_crowded(void)
{
    wg_wait(&crowded);
}

static void try_add_nothing_to_crowded(void)
{
    (void)!wg_try_add(&crowded, 0);
}

static void try_add_much_to_crowded(void)
{
    (void)!wg_try_add(&crowded, INT32_MAX);
}

static void wait_badly_for_crowded(void)
{
    (void)!wg_wait_until(&crowded, &(struct timespec){0, -1});
}

static void the_first_text_that_fits_is_written(void **state)
{
    const uint64_t closed = (uint64_t)1 << 31, here = wg_mark_(&crowded);
    (void)state;
    /* invalid argument > copied > negative > overflow > closed > concurrently
     */
    atomic_store(&crowded.state, foreign_mark() + wg_ones_(-1) + closed + 3);
    expect_panic_on(&crowded, try_add_nothing_to_crowded,
                    "invalid argument: wg_try_add of less than 1",
                    "counter -1, waiters 3");
    expect_panic_on(&crowded, wait_badly_for_crowded,
                    "invalid argument: tv_nsec is not in 0..999999999",
                    "counter -1, waiters 3");
    expect_panic_on(&crowded, done_on_crowded, lost, "counter -1, waiters 3");
    expect_panic_on(&crowded, add_to_crowded, lost, "counter -1, waiters 3");
    expect_panic_on(&crowded, wait_for_crowded, lost, "counter -1, waiters 3");
    expect_panic_on(&crowded, try_add_much_to_crowded, lost,
                    "counter -1, waiters 3");
    atomic_store(&crowded.state, foreign_mark() + wg_ones_(1));
    expect_panic_on(&crowded, add_much_to_crowded, lost,
                    "counter 1, waiters 0");
    atomic_store(&crowded.state, foreign_mark() + closed);
    expect_panic_on(&crowded, add_to_crowded, lost, "counter 0, waiters 0");
    atomic_store(&crowded.state, here + wg_ones_(-1) + closed + 3);
    expect_panic_on(&crowded, done_on_crowded, "negative counter",
                    "counter -2, waiters 3");
    expect_panic_on(&crowded, add_to_crowded, "negative counter",
                    "counter -1, waiters 3");
    expect_panic_on(&crowded, try_add_much_to_crowded, "negative counter",
                    "counter -1, waiters 3");
    atomic_store(&crowded.state, here + wg_ones_(1) + closed + 3);
    expect_panic_on(&crowded, add_much_to_crowded, "counter overflow",
                    "counter 1, waiters 3");
    assert_false(wg_try_add(&crowded, INT32_MAX)); /* closed: no complaint */
    atomic_store(&crowded.state, here + closed + 3);
    expect_panic_on(&crowded, add_to_crowded, "wg_add on a closed group",
                    "counter 1, waiters 3");
    atomic_store(&crowded.state, here + 3);
    expect_panic_on(&crowded, add_to_crowded,
                    "wg_add called concurrently with wg_wait",
                    "counter 1, waiters 3");
    atomic_store(&crowded.state, foreign_mark() + wg_ones_(1) + WG_WAITERS_);
    expect_panic_on(&crowded, wait_for_crowded, lost,
                    "counter 1, waiters 1048575");
}

static void wait_beside_as_many_as_there_may_be(void)
{
    wg_add(&wg, 1);
    wg.state |= 0xfffff;
    wg_wait(&wg);
}

static void too_many_waiters(void **state)
{
    (void)state;
    expect_panic_on(&wg, wait_beside_as_many_as_there_may_be,
                    "too many waiters", "counter 1, waiters 1048575");
}

/* Nobody has a group there, but with a tag, a pointer may be as long. */
static wg_t *const last_address = (wg_t *)(UINTPTR_MAX - 7);

static void write_the_longest_line(void)
{
    wg_panic_copied_(last_address, wg_ones_(INT32_MIN) | UINT32_MAX);
}

static void the_longest_line_is_whole(void **state)
{
    (void)state;
    expect_panic_on(last_address, write_the_longest_line, lost,
                    "counter -2147483648, waiters 1048575");
}

static void misuse_as_a_cancelled_thread(void)
{
    pthread_cancel(pthread_self());
    done_before_add();
}

static void panic_outruns_a_pending_cancellation(void **state)
{
    (void)state;
    expect_panic_on(&wg, misuse_as_a_cancelled_thread, "negative counter",
                    "counter -1, waiters 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(negative_counter),
        TEST(counter_overflow),
        TEST(never_initialised),
        TEST(never_initialised_in_part),
        TEST(initialisers_work_on_used_memory),
        TEST(add_to_a_closed_group),
        TEST(invalid_argument),
        TEST(the_first_text_that_fits_is_written),
        TEST(too_many_waiters),
        TEST(the_longest_line_is_whole),
        TEST(panic_outruns_a_pending_cancellation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
