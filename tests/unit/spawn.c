/* wg_go: what it counts, what it returns when it cannot, what it frees. The
   program is linked so that pthread_create and malloc can be made to fail. */
#include "check.h"
#include "wg.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail_create; /* an errno value for pthread_create */
static bool fail_malloc;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *arg);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *arg)
{
    return fail_create ? fail_create
                       : __real_pthread_create(thread, attr, run, arg);
}

void *__wrap_malloc(size_t size)
{
    return fail_malloc ? NULL : __real_malloc(size);
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

static void every_end_of_the_thread_counts_down(void **state)
{
    static void (*const ends[])(void *) = {return_normally, exit_the_thread,
                                           be_cancelled};
    (void)state;
    for (int round = 0; round < 200; round++) {
        memset(plain, 0, sizeof plain);
        for (int i = 0; i < 6; i++)
            assert_int_equal(wg_go(&wg, ends[i % 3], &plain[i]), 0);
        wg_wait(&wg);
        for (int i = 0; i < 6; i++)
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

static void a_failed_spawn_leaves_the_count_as_it_was(void **state)
{
    (void)state;
    memset(plain, 0, sizeof plain);
    for (int counted = 0; counted < 2; counted++) {
        fail_create = EAGAIN;
        assert_int_equal(wg_go(&wg, return_normally, plain), EAGAIN);
        fail_create = ENOMEM;
        assert_int_equal(wg_go(&wg, return_normally, plain), ENOMEM);
        fail_create = 0;
        fail_malloc = true;
        const int error = wg_go(&wg, return_normally, plain);
        fail_malloc = false;
        assert_int_equal(error, ENOMEM);
        assert_int_equal(wg_count(&wg), counted);
        wg_add(&wg, 1);
    }
    wg_add(&wg, -2);
    assert_int_equal(plain[0], 0);
    assert_true(STATE(&wg) == 0);
}

static void a_closed_group_starts_nothing(void **state)
{
    wg_t closed = WG_INIT;
    (void)state;
    memset(plain, 0, sizeof plain);
    wg_add(&closed, 1);
    wg_close(&closed);
    assert_int_equal(wg_go(&closed, return_normally, plain), ECANCELED);
    wg_done(&closed);
    assert_int_equal(wg_go(&closed, return_normally, plain), ECANCELED);
    assert_int_equal(plain[0], 0);
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
        TEST(a_failed_spawn_leaves_the_count_as_it_was),
        TEST(a_closed_group_starts_nothing),
        TEST(an_aborting_worker_releases_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
