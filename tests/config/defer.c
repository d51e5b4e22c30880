/*
 * defer.c - WG_DEFER_DONE, once and twice in a scope
 *
 * Compiled with -fexceptions in C, too.
 */
#include "wg.h"

#include <pthread.h>
#include <stdio.h>

#define CHECK(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))

static int status;

static void fail(int line, const char *condition)
{
    printf("defer.c:%d: not so: %s\n", line, condition);
    status = 1;
}

static wg_t one = WG_INIT, two = WG_INIT;

/* Whether the counters are these. */
static bool are(int of_one, int of_two)
{
    return wg_count(&one) == of_one && wg_count(&two) == of_two;
}

static void set(int of_one, int of_two)
{
    wg_add(&one, of_one - wg_count(&one));
    wg_add(&two, of_two - wg_count(&two));
}

static void the_later_has_run(int *unused)
{
    (void)unused;
    CHECK(are(1, 0));
}

static void two_in_a_scope_run_and_the_later_first(void)
{
    set(1, 1);
    {
        WG_DEFER_DONE(&one);
        __attribute__((cleanup(the_later_has_run))) int between = 0;
        WG_DEFER_DONE(&two);
        CHECK(between == 0 && are(1, 1));
    }
    CHECK(are(0, 0));
    set(3, 1);
    {
        WG_DEFER_DONE(&one);
        WG_DEFER_DONE(&one);
        {
            WG_DEFER_DONE(&one);
            CHECK(are(3, 1));
        }
        CHECK(are(2, 1));
    }
    CHECK(are(0, 1));
}

static int evaluations;

static wg_t *evaluated(wg_t *wg)
{
    evaluations++;
    return wg;
}

static void the_argument_is_evaluated_once_at_the_declaration(void)
{
    wg_t *wg = &one;
    evaluations = 0;
    set(1, 1);
    {
        WG_DEFER_DONE(evaluated(wg));
        CHECK(evaluations == 1);
        wg = &two;
    }
    CHECK(evaluations == 1 && are(0, 1));
    {
        WG_DEFER_DONE(evaluations == 0 ? &one : &two);
        evaluations = 0;
    }
    CHECK(are(0, 0));
}

static int by_return(void)
{
    WG_DEFER_DONE(&one);
    return wg_count(&one);
}

static void each_way_out_of_the_scope_counts_down_once(void)
{
    set(6, 0);
    CHECK(by_return() == 6 && are(5, 0));
    for (;;) {
        WG_DEFER_DONE(&one);
        break;
    }
    CHECK(are(4, 0));
    for (int i = 0; i < 2; i++) {
        WG_DEFER_DONE(&one);
        continue;
    }
    CHECK(are(2, 0));
    {
        WG_DEFER_DONE(&one);
        goto out;
    }
out:
    CHECK(are(1, 0));
#ifdef __cplusplus
    try {
        WG_DEFER_DONE(&one);
        throw 1;
    } catch (int) {
        CHECK(are(0, 0));
    }
#else
    wg_done(&one);
#endif
}

static void *exits(void *arg)
{
    WG_DEFER_DONE(&one);
    pthread_exit(arg);
    return NULL;
}

static void pthread_exit_counts_down(void)
{
    pthread_t thread;
    set(2, 0);
    CHECK(pthread_create(&thread, NULL, exits, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0 && are(1, 0));
}

int main(void)
{
    two_in_a_scope_run_and_the_later_first();
    the_argument_is_evaluated_once_at_the_declaration();
    each_way_out_of_the_scope_counts_down_once();
    pthread_exit_counts_down();
    if (status == 0)
        puts("deferred");
    return status;
}
