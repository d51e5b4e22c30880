/* Each row of the misuse table ends in its text and SIGABRT, NDEBUG or not. */
#undef NDEBUG
#define NDEBUG
#include "check.h"
#include "wg.h"

#include <string.h>

static void done_before_add(void)
{
    wg_t wg = WG_INIT;
    wg_done(&wg);
}

static void add_below_zero(void)
{
    wg_t wg = WG_INIT;
    wg_add(&wg, 5);
    wg_add(&wg, -7);
}

static void negative_counter(void **state)
{
    (void)state;
    expect_panic(done_before_add, "negative counter", "counter -1, waiters 0");
    expect_panic(add_below_zero, "negative counter", "counter -2, waiters 0");
}

static void add_past_the_end(void)
{
    wg_t wg = WG_INIT;
    wg_add(&wg, INT32_MAX);
    wg_add(&wg, 1);
}

static void add_far_past_the_end(void)
{
    wg_t wg = WG_INIT;
    wg_add(&wg, 2);
    wg_add(&wg, INT32_MAX);
}

static void try_add_past_the_end(void)
{
    wg_t wg = WG_INIT;
    wg_add(&wg, INT32_MAX);
    wg_try_add(&wg, 1);
}

static void counter_overflow(void **state)
{
    (void)state;
    expect_panic(add_past_the_end, "counter overflow",
                 "counter 2147483647, waiters 0");
    expect_panic(add_far_past_the_end, "counter overflow",
                 "counter 2, waiters 0");
    expect_panic(try_add_past_the_end, "counter overflow",
                 "counter 2147483647, waiters 0");
}

static const char lost[] =
    "copied or moved after first use, or never initialised";

static wg_t original = WG_INIT, copy;

static void copy_the_original(void)
{
    wg_add(&original, 2);
    memcpy(&copy, &original, sizeof copy);
}

static void add_to_a_copy(void)
{
    copy_the_original();
    wg_add(&copy, 1);
}

static void done_on_a_copy(void)
{
    copy_the_original();
    wg_done(&copy);
}

static void wait_for_a_copy(void)
{
    copy_the_original();
    wg_wait(&copy);
}

static void wait_some_time_for_a_copy(void)
{
    copy_the_original();
    wg_wait_for(&copy, 1);
}

static void try_add_to_a_copy(void)
{
    copy_the_original();
    wg_try_add(&copy, 1);
}

static void close_a_copy(void)
{
    copy_the_original();
    wg_close(&copy);
}

static void copied(void **state)
{
    (void)state;
    expect_panic(add_to_a_copy, lost, "counter 2, waiters 0");
    expect_panic(done_on_a_copy, lost, "counter 2, waiters 0");
    expect_panic(wait_for_a_copy, lost, "counter 2, waiters 0");
    expect_panic(wait_some_time_for_a_copy, lost, "counter 2, waiters 0");
    expect_panic(try_add_to_a_copy, lost, "counter 2, waiters 0");
    expect_panic(close_a_copy, lost, "counter 2, waiters 0");
}

/* So a done notices each copy that lies nearby, as on the same stack. */
static void nearby_addresses_have_different_marks(void **state)
{
    uintptr_t address = 8;
    (void)state;
    for (int i = 0; i < 10000; i++) {
        const uint64_t mark = wg_mark_((wg_t *)address);
        for (uintptr_t distance = 8; distance < 2440; distance += 8)
            if (wg_mark_((wg_t *)(address + distance)) == mark)
                fail_msg("%#lx and %lu bytes on", (unsigned long)address,
                         (unsigned long)distance);
        address = (address * 6364136223846793005 + 8) & ~(uintptr_t)7;
    }
}

static wg_t garbage;

static void add_to_garbage(void)
{
    memset(&garbage, 0xa5, sizeof garbage);
    wg_add(&garbage, 1);
}

static void done_on_garbage(void)
{
    memset(&garbage, 0xa5, sizeof garbage);
    wg_done(&garbage);
}

static void wait_for_garbage(void)
{
    memset(&garbage, 0xa5, sizeof garbage);
    wg_wait(&garbage);
}

static void never_initialised(void **state)
{
    static const char numbers[] = "counter -1515870811, waiters 370085";
    (void)state;
    expect_panic(add_to_garbage, lost, numbers);
    expect_panic(done_on_garbage, lost, numbers);
    expect_panic(wait_for_garbage, lost, numbers);
}

static void add_after_close(void)
{
    wg_t wg = WG_INIT;
    wg_close(&wg);
    wg_add(&wg, 1);
}

static void add_to_a_closed_group(void **state)
{
    wg_t wg = WG_INIT;
    (void)state;
    expect_panic(add_after_close, "wg_add on a closed group",
                 "counter 1, waiters 0");
    /* Above 0, those who are counted may go on adding. */
    wg_add(&wg, 1);
    wg_close(&wg);
    wg_add(&wg, 1);
    wg_add(&wg, -2);
    wg_wait(&wg);
}

static void try_add_nothing(void)
{
    wg_t wg = WG_INIT;
    wg_try_add(&wg, 0);
}

static void try_add_less(void)
{
    wg_t wg = WG_INIT;
    wg_try_add(&wg, -1);
}

static void deadline_before_its_second(void)
{
    wg_t wg = WG_INIT;
    wg_wait_until(&wg, &(struct timespec){0, -1});
}

static void deadline_after_its_second(void)
{
    wg_t wg = WG_INIT;
    wg_wait_until(&wg, &(struct timespec){0, 1000000000});
}

static void invalid_argument(void **state)
{
    static const char delta[] = "invalid argument: wg_try_add of less than 1";
    static const char nsec[] =
        "invalid argument: tv_nsec is not in 0..999999999";
    (void)state;
    expect_panic(try_add_nothing, delta, "counter 0, waiters 0");
    expect_panic(try_add_less, delta, "counter 0, waiters 0");
    expect_panic(deadline_before_its_second, nsec, "counter 0, waiters 0");
    expect_panic(deadline_after_its_second, nsec, "counter 0, waiters 0");
}

static void wait_beside_as_many_as_there_may_be(void)
{
    wg_t wg = WG_INIT;
    wg_add(&wg, 1);
    wg.state |= 0xfffff;
    wg_wait(&wg);
}

static void too_many_waiters(void **state)
{
    (void)state;
    expect_panic(wait_beside_as_many_as_there_may_be, "too many waiters",
                 "counter 1, waiters 1048575");
}

static void misuse_as_a_cancelled_thread(void)
{
    pthread_cancel(pthread_self());
    done_before_add();
}

static void panic_outruns_a_pending_cancellation(void **state)
{
    (void)state;
    expect_panic(misuse_as_a_cancelled_thread, "negative counter",
                 "counter -1, waiters 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(negative_counter),
        TEST(counter_overflow),
        TEST(copied),
        TEST(nearby_addresses_have_different_marks),
        TEST(never_initialised),
        TEST(add_to_a_closed_group),
        TEST(invalid_argument),
        TEST(too_many_waiters),
        TEST(panic_outruns_a_pending_cancellation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
