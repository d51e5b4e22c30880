/* WG_DEFER_DONE: it counts down where the scope is left, however that is. Built
   with -fexceptions, so that the end of the thread leaves it, too. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "wg.h"

static wg_t wg = WG_INIT;

static int return_from_it(void)
{
    WG_DEFER_DONE(&wg);
    return wg_count(&wg); /* before it is left */
}

static void every_way_out_of_the_scope_counts_down(void **state)
{
    int inside = 0;
    (void)state;
    wg_add(&wg, 5);
    assert_int_equal(return_from_it(), 5);
    assert_int_equal(wg_count(&wg), 4);
    {
        WG_DEFER_DONE(&wg);
        assert_int_equal(wg_count(&wg), 4);
    }
    assert_int_equal(wg_count(&wg), 3);
    for (;;) {
        WG_DEFER_DONE(&wg);
        inside = wg_count(&wg);
        break;
    }
    assert_int_equal(inside, 3);
    assert_int_equal(wg_count(&wg), 2);
    for (int i = 0; i < 2; i++) {
        if (i == 1)
            continue;
        WG_DEFER_DONE(&wg);
        inside = wg_count(&wg);
        continue;
    }
    assert_int_equal(inside, 2);
    assert_int_equal(wg_count(&wg), 1);
    {
        WG_DEFER_DONE(&wg);
        inside = wg_count(&wg);
        goto out;
    }
out:
    assert_int_equal(inside, 1);
    assert_true(wg_try_wait(&wg));
    wg_wait(&wg);
}

static wg_t groups[2];

static void the_group_is_evaluated_once_and_at_the_declaration(void **state)
{
    wg_t *group = groups;
    (void)state;
    wg_add(&groups[0], 1);
    wg_add(&groups[1], 1);
    {
        WG_DEFER_DONE(group++);
        assert_ptr_equal(group, &groups[1]);
        group = NULL;
    }
    assert_int_equal(wg_count(&groups[0]), 0);
    assert_int_equal(wg_count(&groups[1]), 1);
    wg_done(&groups[1]);
}

static void leave_once_too_often(void)
{
    WG_DEFER_DONE(&wg);
}

static void a_scope_too_many_is_misuse(void **state)
{
    (void)state;
    expect_panic_on(&wg, leave_once_too_often, "negative counter",
                    "counter -1, waiters 0");
}

static void *exit_within(void *arg)
{
    WG_DEFER_DONE(&wg);
    pthread_exit(arg);
}

static void *be_cancelled_within(void *arg)
{
    WG_DEFER_DONE(&wg);
    pthread_cancel(pthread_self());
    pthread_testcancel();
    return arg;
}

static void the_end_of_the_thread_counts_down(void **state)
{
    (void)state;
    wg_add(&wg, 2);
    const pthread_t one = start(exit_within, NULL);
    const pthread_t two = start(be_cancelled_within, NULL);
    wg_wait(&wg);
    join(one);
    join(two);
    assert_true(STATE(&wg) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_way_out_of_the_scope_counts_down),
        TEST(the_group_is_evaluated_once_and_at_the_declaration),
        TEST(a_scope_too_many_is_misuse),
        TEST(the_end_of_the_thread_counts_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
