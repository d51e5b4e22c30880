/* wg_go: what it counts, what it returns when it cannot, what it frees. The
   program is linked so that the system's part can be watched, and made to fail,
   while others come. */
#define _GNU_SOURCE
#include "check.h"
#include "wg.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    atomic_int mallocs, frees, creates; /* that have succeeded */
    bool fail_malloc;
    int fail_create;         /* an errno value */
    void (*meanwhile)(void); /* before either fails */
} its;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *arg);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void __real_free(void *memory);
void __wrap_free(void *memory);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *arg)
{
    if (its.fail_create != 0) {
        if (its.meanwhile != NULL)
            its.meanwhile();
        return its.fail_create;
    }
    its.creates++;
    return __real_pthread_create(thread, attr, run, arg);
}

void *__wrap_malloc(size_t size)
{
    if (its.fail_malloc) {
        if (its.meanwhile != NULL)
            its.meanwhile();
        return NULL;
    }
    its.mallocs++;
    return __real_malloc(size);
}

void __wrap_free(void *memory)
{
    its.frees += memory != NULL;
    __real_free(memory);
}

static wg_t wg = WG_INIT;
static int plain[8]; /* written by workers, without atomics */

static void return_normally(void *slot)
{
    ++*(int *)slot;
}

static void exit_the_thread(void *slot)
{
    ++*(int *)slot;
    pthread_exit(NULL);
}

static void be_cancelled(void *slot)
{
    ++*(int *)slot;
    pthread_cancel(pthread_self());
    pthread_testcancel();
    abort();
}

/* The request stays pending, as nothing that follows looks at it. */
static void return_with_cancellation_pending(void *slot)
{
    ++*(int *)slot;
    pthread_cancel(pthread_self());
}

static void every_end_of_the_thread_counts_down(void **state)
{
    static void (*const ends[])(void *) = {return_normally, exit_the_thread,
                                           be_cancelled,
                                           return_with_cancellation_pending};
    (void)state;
    for (int round = 0; round < 200; round++) {
        memset(plain, 0, sizeof plain);
        for (int i = 0; i < 8; i++)
            assert_int_equal(wg_go(&wg, ends[i % 4], &plain[i]), 0);
        wg_wait(&wg);
        for (int i = 0; i < 8; i++)
            assert_int_equal(plain[i], 1);
        assert_true(STATE(&wg) == 0);
    }
}

static void spawn_another(void *slot)
{
    ++*(int *)slot;
    if (wg_go(&wg, return_normally, (int *)slot + 1) != 0)
        abort();
}

static void a_worker_may_start_workers(void **state)
{
    (void)state;
    memset(plain, 0, sizeof plain);
    assert_int_equal(wg_go(&wg, spawn_another, &plain[0]), 0);
    wg_wait(&wg);
    assert_true(plain[0] == 1 && plain[1] == 1);
}

struct found {
    wg_t *group;
    void *arg;
    pthread_t thread;
    pthread_attr_t attributes;
    int count, frees, cancel_state, cancel_type;
};

static void look_around(void *arg)
{
    struct found *found = arg;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &found->cancel_state);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &found->cancel_type);
    found->arg = arg;
    found->thread = pthread_self();
    found->count = wg_count(found->group);
    found->frees = its.frees;
    if (pthread_getattr_np(pthread_self(), &found->attributes) != 0)
        abort();
}

static void fn_runs_in_a_new_detached_thread_of_the_default_kind(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        wg_t group;
        struct found found = {&group, NULL, pthread_self(), {{0}}, 0, 0, 0, 0};
        pthread_attr_t defaults;
        size_t size, default_size;
        int detached = 0;
        memset((void *)&its, 0, sizeof its);
        (shared ? wg_init_shared : wg_init)(&group);
        wg_add(&group, 6);
        assert_int_equal(wg_go(&group, look_around, &found), 0);
        wg_add(&group, -6);
        wg_wait(&group);
        assert_int_equal(its.creates, 1);
        assert_ptr_equal(found.arg, &found);
        assert_in_range(found.count, 1, 7);
        assert_false(pthread_equal(found.thread, pthread_self()));
        pthread_attr_getdetachstate(&found.attributes, &detached);
        assert_int_equal(detached, PTHREAD_CREATE_DETACHED);
        /* As in every new thread. Else fn could be cancelled inside a call. */
        assert_int_equal(found.cancel_state, PTHREAD_CANCEL_ENABLE);
        assert_int_equal(found.cancel_type, PTHREAD_CANCEL_DEFERRED);
        assert_int_equal(pthread_getattr_default_np(&defaults), 0);
        pthread_attr_getstacksize(&defaults, &default_size);
        pthread_attr_getstacksize(&found.attributes, &size);
        assert_true(size >= default_size);
        pthread_attr_destroy(&found.attributes);
        pthread_attr_destroy(&defaults);
        /* fn may never return: what was handed over is freed before. */
        assert_int_equal(found.frees, 1);
        assert_int_equal(its.frees, 1);
        assert_int_equal(its.mallocs, 1);
        assert_true(wg_is_shared_(atomic_load(&group.state)) == shared);
        assert_true(STATE(&group) == 0);
    }
}

/* The ways in which wg_go can fail for want of a thread or memory. */
static const int errors[] = {EAGAIN, ENOMEM, EPERM, EINVAL, 4711, 0};
enum { WAYS = sizeof errors / sizeof *errors };

/* Calls it, to fail in that way, and fails unless it does, and no more. */
static void go_and_fail(wg_t *group, int way)
{
    memset(plain, 0, sizeof plain);
    its.mallocs = its.frees = 0;
    its.fail_create = errors[way];
    its.fail_malloc = errors[way] == 0;
    const int error = wg_go(group, return_normally, plain);
    its.fail_create = 0;
    its.fail_malloc = false;
    assert_int_equal(error, errors[way] != 0 ? errors[way] : ENOMEM);
    assert_int_equal(its.mallocs, errors[way] != 0);
    assert_int_equal(its.frees, its.mallocs);
    assert_int_equal(plain[0], 0);
}

static void a_failed_spawn_leaves_all_as_it_was(void **state)
{
    static const int counts[] = {0, 1, 2, INT32_MAX - 1};
    (void)state;
    memset((void *)&its, 0, sizeof its);
    for (int i = 0; i < 2 * 4 * WAYS; i++) {
        wg_t group, before;
        (i % 2 ? wg_init_shared : wg_init)(&group);
        wg_add(&group, 1); /* used already */
        wg_done(&group);
        wg_add(&group, counts[i / 2 % 4]);
        memcpy((void *)&before, &group, sizeof before);
        go_and_fail(&group, i / 2 / 4);
        assert_memory_equal(&group, &before, sizeof before);
    }
}

static void *waiter(void *group)
{
    wg_wait(group);
    return NULL;
}

static pthread_t came;

static void a_waiter_comes(void)
{
    const bool has_to_wait = wg_count(&wg) > 0;
    assert_true(has_to_wait || its.fail_malloc); /* before a thread is there */
    assert_int_equal(__real_pthread_create(&came, NULL, waiter, &wg), 0);
    if (has_to_wait)
        UNTIL(WAITERS(&wg) == 1);
}

static void a_failed_spawn_releases_who_has_come_to_wait(void **state)
{
    (void)state;
    memset((void *)&its, 0, sizeof its);
    its.meanwhile = a_waiter_comes;
    for (int i = 0; i < WAYS; i++) {
        go_and_fail(&wg, i);
        join(came);
        assert_true(STATE(&wg) == 0);
        /* But not before the others are done, too. */
        wg_add(&wg, 1);
        go_and_fail(&wg, i);
        assert_true(STATE(&wg) >> 32 == 1 && WAITERS(&wg) == 1);
        wg_done(&wg);
        join(came);
        assert_true(STATE(&wg) == 0);
    }
}

static void it_is_closed(void)
{
    wg_close(&wg);
}

static void a_failed_spawn_counts_down_what_was_closed_meanwhile(void **state)
{
    (void)state;
    memset((void *)&its, 0, sizeof its);
    its.meanwhile = it_is_closed;
    for (int i = 0; i < WAYS; i++) {
        go_and_fail(&wg, i);
        assert_true(STATE(&wg) == (uint64_t)1 << 31);
        assert_int_equal(wg_go(&wg, return_normally, plain), ECANCELED);
        wg_init(&wg);
    }
}

static void a_closed_group_starts_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * 3; i++) {
        wg_t closed, before;
        memset(plain, 0, sizeof plain);
        memset((void *)&its, 0, sizeof its);
        (i % 2 ? wg_init_shared : wg_init)(&closed);
        if (i / 2 > 0)
            wg_add(&closed, 1);
        wg_close(&closed);
        if (i / 2 > 1)
            wg_done(&closed);
        memcpy((void *)&before, &closed, sizeof before);
        assert_int_equal(wg_go(&closed, return_normally, plain), ECANCELED);
        assert_memory_equal(&closed, &before, sizeof before);
        assert_int_equal(its.creates, 0);
        assert_int_equal(its.frees, its.mallocs);
        assert_int_equal(plain[0], 0);
    }
}

/* The first add of a group may be this one. */
static wg_t fresh, copy_of_fresh;

static void go_then_count_down_a_copy(void)
{
    its.fail_create = EAGAIN;
    (void)!wg_go(&fresh, return_normally, plain);
    memcpy((void *)&copy_of_fresh, &fresh, sizeof fresh);
    wg_done(&copy_of_fresh);
}

static void try_add_then_go_on_a_copy(void)
{
    (void)!wg_try_add(&fresh, 3);
    memcpy((void *)&copy_of_fresh, &fresh, sizeof fresh);
    (void)!wg_go(&copy_of_fresh, return_normally, plain);
}

static void go_where_no_more_can_be_counted(void)
{
    wg_add(&fresh, INT32_MAX);
    (void)!wg_go(&fresh, return_normally, plain);
}

static void misuse_is_found_by_wg_go_and_after_it(void **state)
{
    static const char lost[] =
        "copied or moved after first use, or never initialised";
    (void)state;
    expect_panic_on(&copy_of_fresh, go_then_count_down_a_copy, lost,
                    "counter 0, waiters 0");
    expect_panic_on(&copy_of_fresh, try_add_then_go_on_a_copy, lost,
                    "counter 3, waiters 0");
    expect_panic_on(&fresh, go_where_no_more_can_be_counted, "counter overflow",
                    "counter 2147483647, waiters 0");
}

/* Go's TestIssue76126: the worker that dies takes the process with it, before
   the waiter could be told that it is done. */
static void abort_the_worker(void *arg)
{
    (void)arg;
    abort();
}

static void an_aborting_worker_releases_nobody(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            const struct rlimit no_core = {0, 0};
            wg_t group = WG_INIT;
            setrlimit(RLIMIT_CORE, &no_core);
            if (wg_go(&group, abort_the_worker, NULL) != 0)
                _exit(2);
            wg_wait(&group);
            _exit(1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_end_of_the_thread_counts_down),
        TEST(a_worker_may_start_workers),
        TEST(fn_runs_in_a_new_detached_thread_of_the_default_kind),
        TEST(a_failed_spawn_leaves_all_as_it_was),
        TEST(a_failed_spawn_releases_who_has_come_to_wait),
        TEST(a_failed_spawn_counts_down_what_was_closed_meanwhile),
        TEST(a_closed_group_starts_nothing),
        TEST(misuse_is_found_by_wg_go_and_after_it),
        TEST(an_aborting_worker_releases_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
