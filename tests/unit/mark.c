/* The mark: what it is made of, and who tells a copy by it. */
#define _GNU_SOURCE
#include "check.h"
#include "wg.h"

#include <string.h>
#include <sys/mman.h>

static uint64_t mark_at(uintptr_t address)
{
    return wg_mark_((wg_t *)address);
}

/* So a done notices each copy that lies nearby, as on the same stack. */
static void nearby_addresses_have_different_marks(void **state)
{
    uintptr_t address = 8;
    (void)state;
    for (int i = 0; i < 10000; i++) {
        const uint64_t mark = mark_at(address);
        for (uintptr_t distance = 8; distance < 2440; distance += 8)
            if (mark_at(address + distance) == mark)
                fail_msg("%#lx and %lu bytes on", (unsigned long)address,
                         (unsigned long)distance);
        address = (address * 6364136223846793005 + 8) & ~(uintptr_t)7;
    }
}

/* Above all it is never that of a shared or of an unused group, wherever. */
static void every_address_has_an_odd_mark_and_all_of_them_occur(void **state)
{
    bool seen[1 << 10] = {false};
    int distinct = 0;
    (void)state;
    for (uintptr_t i = 0; i < 1 << 16; i++) {
        /* 0 and 8 modulo 2^35 are among these. */
        const uintptr_t address =
            (i % 256 * 8) + (i / 256 << 24 << 11 * (i % 2));
        const uint64_t mark = mark_at(address);
        assert_true((mark & WG_MARK_ODD_) != 0);
        assert_true((mark & ~(uint64_t)WG_MARK_) == 0);
        distinct += !seen[mark >> 21];
        seen[mark >> 21] = true;
    }
    assert_int_equal(distinct, 1 << 10);
}

/* Two groups at random addresses agree once in 1024 times, not more often: the
   same for heaps, whose groups are 16 bytes apart, and for pages. */
static void one_pair_of_addresses_in_1024_agrees(void **state)
{
    static const int bits[] = {4, 6, 12, 16, 21};
    (void)state;
    for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++) {
        int count[1 << 10] = {0};
        for (uintptr_t n = 0; n < 1 << 11; n++)
            count[mark_at(n << bits[i] & UINTPTR_MAX) >> 21]++;
        for (int mark = 0; mark < 1 << 10; mark++)
            if (count[mark] > 8)
                fail_msg("every 2^%d bytes, a mark occurs %d times in 2048",
                         bits[i], count[mark]);
    }
}

/* As wg_mark_ says. Above them are the tags of pointers, below them none. */
static void bits_33_to_3_of_an_address_count(void **state)
{
    (void)state;
    for (int bit = 0; bit < 8 * (int)sizeof(uintptr_t); bit++) {
        uintptr_t address = 0x5555555555555550 & UINTPTR_MAX;
        for (int i = 0; i < 100; i++, address += 0x123456789a8 & UINTPTR_MAX)
            if ((mark_at(address) != mark_at(address ^ (uintptr_t)1 << bit)) !=
                (bit >= 3 && bit <= 33))
                fail_msg("bit %d of %#lx", bit, (unsigned long)address);
    }
}

/* Copies of the header of one MAJOR version may meet on a group, so it is made
   as ever. These were worked out by hand: bits 33..3 times 0x4f1bbcdd, of which
   bits 30..21 are kept, and an odd number made of them. */
static void the_mark_of_an_address_is_an_abi(void **state)
{
    (void)state;
    assert_true(mark_at(0x8) == 0x4f100000);
    assert_true(mark_at(0x1000) == 0x37700000);
    assert_true(mark_at(0xfffffff8) == 0x50f00000);
#if UINTPTR_MAX > UINT32_MAX
    assert_true(mark_at(0x3fffffff8) == 0x30f00000);
    assert_true(mark_at(0x7ffd5e8f1c20) == 0x32300000);
#endif
}

/* Where version 1 took a private group for a shared one, and hung. */
static void *wait_there(void *wg)
{
    wg_wait(wg);
    return NULL;
}

static void a_group_at_8_modulo_2_to_the_35_works(void **state)
{
    (void)state;
#if UINTPTR_MAX > UINT32_MAX
    for (uintptr_t i = 1; i < 1 << 12; i++) { /* the sanitizers have some */
        void *const page =
            mmap((void *)(i << 35), 4096, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (page == MAP_FAILED)
            continue;
        for (int offset = 0; offset <= 8; offset += 8) {
            wg_t *const wg = (wg_t *)(void *)((char *)page + offset);
            wg_init(wg);
            for (int round = 0; round < 10; round++) {
                wg_add(wg, 1);
                const pthread_t thread = start(wait_there, wg);
                UNTIL(atomic_load(&wg->word) == WG_ASLEEP_);
                wg_done(wg);
                join(thread);
            }
        }
        munmap(page, 4096);
        return;
    }
    fail_msg("no page at a multiple of 2^35 to be had");
#else
    skip();
#endif
}

/* ---- Who tells a copy ---- */

static wg_t original = WG_INIT, copy;

static void copy_the_original(void)
{
    wg_init(&original);
    wg_add(&original, 2);
    memcpy((void *)&copy, (void *)&original, sizeof copy);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void add(void)
{
    wg_add(&copy, 1);
}
static void subtract(void)
{
    wg_add(&copy, -1);
}
static void subtract_all(void)
{
    wg_add(&copy, -2);
}
static void done(void)
{
    wg_done(&copy);
}
static void deferred_done(void)
{
    WG_DEFER_DONE(&copy);
}
static void wait(void)
{
    wg_wait(&copy);
}
static void wait_for(void)
{
    (void)!wg_wait_for(&copy, 1);
}
static void wait_until(void)
{
    (void)!wg_wait_until(&copy, &(struct timespec){INT32_MAX, 0});
}
static void close_it(void)
{
    wg_close(&copy);
}
static void try_add(void)
{
    (void)!wg_try_add(&copy, 1);
}
static void go(void)
{
    (void)!wg_go(&copy, nothing, NULL);
}

static void each_call_that_waits_or_counts_tells_a_copy(void **state)
{
    static void (*const calls[])(void) = {
        add,        subtract, subtract_all, done, deferred_done, wait, wait_for,
        wait_until, close_it, try_add,      go};
    (void)state;
    copy_the_original();
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++)
        expect_panic(calls[i],
                     "copied or moved after first use, or never initialised",
                     "counter 2, waiters 0");
}

/* The manual's list of what is not caught, and the calls that never abort. */
static void looking_at_a_copy_does_not_abort(void **state)
{
    (void)state;
    copy_the_original();
    assert_int_equal(wg_count(&copy), 2);
    assert_false(wg_try_wait(&copy));
    assert_false(wg_wait_for(&copy, 0));
    assert_false(wg_wait_for(&copy, -1));
    assert_false(wg_wait_until(&copy, &(struct timespec){-1, 0}));
}

static void a_copy_may_be_waited_for_at_0(void **state)
{
    (void)state;
    copy_the_original();
    wg_add(&original, -2);
    memcpy((void *)&copy, (void *)&original, sizeof copy);
    wg_wait(&copy);
    assert_true(wg_try_wait(&copy) && wg_wait_for(&copy, 1));
}

static void a_group_may_be_copied_before_its_first_add(void **state)
{
    wg_t unused = WG_INIT;
    (void)state;
    wg_wait(&unused);
    memcpy((void *)&copy, (void *)&unused, sizeof copy);
    wg_add(&copy, 1);
    assert_true(wg_done(&copy));
}

static void a_copy_of_a_shared_group_is_another_group(void **state)
{
    (void)state;
    wg_init_shared(&original);
    wg_add(&original, 1);
    memcpy((void *)&copy, (void *)&original, sizeof copy);
    assert_true(wg_done(&copy));
    assert_int_equal(wg_count(&original), 1);
    assert_true(wg_done(&original));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nearby_addresses_have_different_marks),
        TEST(every_address_has_an_odd_mark_and_all_of_them_occur),
        TEST(one_pair_of_addresses_in_1024_agrees),
        TEST(bits_33_to_3_of_an_address_count),
        TEST(the_mark_of_an_address_is_an_abi),
        TEST(a_group_at_8_modulo_2_to_the_35_works),
        TEST(each_call_that_waits_or_counts_tells_a_copy),
        TEST(looking_at_a_copy_does_not_abort),
        TEST(a_copy_may_be_waited_for_at_0),
        TEST(a_group_may_be_copied_before_its_first_add),
        TEST(a_copy_of_a_shared_group_is_another_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
