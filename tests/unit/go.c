/* Go's tests of sync.WaitGroup, one by one and under their names. The two that
   Go deleted as flaky, Misuse2 and Misuse3, are made certain by the seam. */
#include "check.h"
#include "seam.h"
#include "wg.h"

#include <stdio.h>
#include <unistd.h>

enum { THREADS = 16, ROUNDS = 8 };

struct two {
    wg_t first, second;
    atomic_int exited;
};

static void *done_first_wait_second(void *arg)
{
    struct two *two = arg;
    wg_done(&two->first);
    wg_wait(&two->second);
    two->exited++;
    return NULL;
}

static void TestWaitGroup(void **state)
{
    struct two two = {WG_INIT, WG_INIT, 0};
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        two.exited = 0;
        wg_add(&two.first, THREADS);
        wg_add(&two.second, THREADS);
        for (int i = 0; i < THREADS; i++)
            threads[i] = start(done_first_wait_second, &two);
        wg_wait(&two.first);
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(two.exited, 0); /* nobody released too soon */
            wg_done(&two.second);
        }
        for (int i = 0; i < THREADS; i++)
            join(threads[i]);
        assert_int_equal(two.exited, THREADS);
        assert_true(STATE(&two.first) == 0 && STATE(&two.second) == 0);
    }
}

static void one_done_too_many(void)
{
    wg_t wg = WG_INIT;
    wg_add(&wg, 1);
    wg_done(&wg);
    wg_done(&wg);
}

static void TestWaitGroupMisuse(void **state)
{
    (void)state;
    expect_panic(one_done_too_many, "negative counter",
                 "counter -1, waiters 0");
}

static void *waiter(void *wg)
{
    wg_wait(wg);
    return NULL;
}

static wg_t reused = WG_INIT;

static void add_while_a_waiter_is_inside(void)
{
    seam.on_wait = seam_hold; /* registered, and not asleep yet */
    wg_add(&reused, 1);
    start(waiter, &reused);
    sem_wait(&seam_held);
    wg_done(&reused);
    wg_add(&reused, 1); /* the waiter has been released, but is still inside */
}

static void TestWaitGroupMisuse2(void **state)
{
    (void)state;
    expect_panic(add_while_a_waiter_is_inside,
                 "wg_add called concurrently with wg_wait",
                 "counter 1, waiters 1");
}

static pthread_t adder;

/* The adder is caught first; it lets the waiter go on instead of dying. */
static void let_the_waiter_find_out(const char *message)
{
    (void)message;
    if (!pthread_equal(pthread_self(), adder))
        return;
    sem_post(&seam_let_go);
    for (;;)
        pause();
}

static void wait_into_the_next_round(void)
{
    adder = pthread_self();
    seam.on_panic = let_the_waiter_find_out;
    add_while_a_waiter_is_inside();
}

static void TestWaitGroupMisuse3(void **state)
{
    (void)state;
    expect_panic(wait_into_the_next_round,
                 "reused before previous wg_wait has returned",
                 "counter 1, waiters 1");
}

struct counted {
    wg_t wg;
    atomic_int count;
};

static void *count_and_done(void *arg)
{
    struct counted *counted = arg;
    counted->count++;
    wg_done(&counted->wg);
    return NULL;
}

static void TestWaitGroupRace(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct counted counted = {WG_INIT, 0};
        wg_add(&counted.wg, 1);
        const pthread_t one = start(count_and_done, &counted);
        wg_add(&counted.wg, 1);
        const pthread_t two = start(count_and_done, &counted);
        wg_wait(&counted.wg);
        assert_int_equal(counted.count, 2);
        join(one);
        join(two);
    }
}

static void *done(void *wg)
{
    wg_done(wg);
    return NULL;
}

static void TestWaitGroupAlign(void **state)
{
    static struct {
        char leading;
        wg_t wg;
    } x = {0, WG_INIT};
    (void)state;
    assert_int_equal((uintptr_t)&x.wg % 8, 0);
    wg_add(&x.wg, 1);
    const pthread_t thread = start(done, &x.wg);
    wg_wait(&x.wg);
    join(thread);
}

static void add_one(void *count)
{
    ++*(atomic_int *)count;
}

static void TestWaitGroupGo(void **state)
{
    static wg_t wg = WG_INIT;
    static atomic_int count;
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(wg_go(&wg, add_one, &count), 0);
    wg_wait(&wg);
    assert_int_equal(count, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(TestWaitGroup),        TEST(TestWaitGroupMisuse),
        TEST(TestWaitGroupMisuse2), TEST(TestWaitGroupMisuse3),
        TEST(TestWaitGroupRace),    TEST(TestWaitGroupAlign),
        TEST(TestWaitGroupGo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
