/* What the header asks of the system, counted and made to fail: the program is
   linked so that its calls come through __wrap_syscall and
   __wrap_clock_gettime. */
#define _GNU_SOURCE
#include "check.h"
#include "wg.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAKE = 1, WAIT_BITSET = 9, PRIVATE = 128 }; /* the kernel's ABI */

static struct {
    atomic_int calls, waits, wakes, clocks;
    atomic_long wake_count; /* as asked for by the last wake */
    atomic_int fail_wait;   /* an errno value for the next wait */
    bool fail_wakes;        /* wakes are done, and reported as failed */
    bool spoil_errno;       /* as C allows the clock to do */
    bool raw_clock;         /* asks the kernel, as on machines without vDSO */
    void (*in_wait)(void);  /* plays the others, before each wait */
    bool wakes_at_once;     /* waits end well, and leave errno as it was */
    int fail_write;         /* an errno value for the only write */
    bool cut_write;         /* the only write takes 5 bytes, and says so */
    int writes;
} kernel;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    kernel.calls++;
    if (number == SYS_write && (kernel.fail_write != 0 || kernel.cut_write)) {
        if (++kernel.writes > 1)
            _exit(1);
        if (kernel.cut_write)
            return 5;
        errno = kernel.fail_write;
        return -1;
    }
    if (number == SYS_futex && a[1] == (WAIT_BITSET | PRIVATE)) {
        const int error = atomic_exchange(&kernel.fail_wait, 0);
        kernel.waits++;
        if (kernel.in_wait != NULL)
            kernel.in_wait();
        if (error != 0) {
            errno = error;
            return -1;
        }
        if (kernel.wakes_at_once)
            return 0;
    }
    const long result =
        __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (number == SYS_futex && a[1] == (WAKE | PRIVATE)) {
        kernel.wakes++;
        kernel.wake_count = a[2];
        if (kernel.fail_wakes) {
            errno = EFAULT;
            return -1;
        }
    }
    return result;
}

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    kernel.clocks++;
    if (kernel.spoil_errno)
        errno = EIO;
    return kernel.raw_clock
               ? (int)__real_syscall(SYS_clock_gettime, (long)clock, now)
               : __real_clock_gettime(clock, now);
}

static atomic_int errno_of_waiter;

static void *waiter(void *wg)
{
    errno = 4711;
    wg_wait(wg);
    errno_of_waiter = errno;
    return NULL;
}

static void nothing_is_asked_for_without_a_waiter(void **state)
{
    wg_t wg = WG_INIT;
    (void)state;
    memset(&kernel, 0, sizeof kernel);
    for (int i = 0; i < 1000; i++) {
        wg_wait(&wg);
        wg_add(&wg, 2);
        wg_done(&wg);
        wg_done(&wg);
        assert_true(wg_try_wait(&wg) && wg_wait_for(&wg, 1000));
        assert_true(wg_try_add(&wg, 1));
        assert_false(wg_wait_for(&wg, 0) || wg_wait_for(&wg, -1));
        assert_false(wg_wait_until(&wg, &(struct timespec){-1, 0}));
        wg_add(&wg, -wg_count(&wg));
        assert_true(wg_wait_until(&wg, &(struct timespec){-1, 0}));
        assert_true(wg_wait_until(&wg, &(struct timespec){INT32_MAX, 0}));
    }
    wg_close(&wg);
    assert_int_equal(kernel.calls, 0);
    assert_int_equal(kernel.clocks, 0);
}

static void one_wake_serves_64_waiters(void **state)
{
    enum { THREADS = 64 };
    pthread_t threads[THREADS];
    wg_t wg = WG_INIT;
    (void)state;
    memset(&kernel, 0, sizeof kernel);
    wg_add(&wg, 2);
    for (int i = 0; i < THREADS; i++)
        threads[i] = start(waiter, &wg);
    UNTIL(kernel.waits >= THREADS);
    wg_done(&wg);
    assert_int_equal(kernel.wakes, 0);
    wg_done(&wg);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    assert_int_equal(kernel.wakes, 1);
    assert_int_equal(kernel.wake_count, INT32_MAX);
    assert_true(STATE(&wg) == 0);
}

static void a_wait_makes_one_system_call_and_reads_no_clock(void **state)
{
    wg_t wg = WG_INIT;
    (void)state;
    memset(&kernel, 0, sizeof kernel);
    wg_add(&wg, 1);
    const pthread_t thread = start(waiter, &wg);
    UNTIL(kernel.waits > 0);
    wg_done(&wg);
    join(thread);
    assert_int_equal(kernel.waits, 1);
    assert_int_equal(kernel.wakes, 1);
    assert_int_equal(kernel.calls, 2);
    assert_int_equal(kernel.clocks, 0);
}

static void a_timed_wait_reads_the_clock_once(void **state)
{
    wg_t wg = WG_INIT;
    (void)state;
    memset(&kernel, 0, sizeof kernel);
    wg_add(&wg, 1);
    assert_false(wg_wait_for(&wg, 1));
    assert_int_equal(kernel.clocks, 1);
    assert_false(wg_wait_until(&wg, &(struct timespec){1, 0}));
    assert_int_equal(kernel.clocks, 2);
}

/* After a timeout the word may say that somebody sleeps: that costs the next
   release one wake, and no more. */
static void a_timeout_costs_one_needless_wake(void **state)
{
    wg_t wg = WG_INIT;
    (void)state;
    memset(&kernel, 0, sizeof kernel);
    wg_add(&wg, 1);
    UNTIL(!wg_wait_for(&wg, 1000) && kernel.waits > 0);
    wg_done(&wg);
    assert_int_equal(kernel.wakes, 0); /* nobody is registered */
    for (int round = 0; round < 2; round++) {
        const int waits = kernel.waits;
        wg_add(&wg, 1);
        const pthread_t thread = start(waiter, &wg);
        UNTIL(kernel.waits > waits);
        wg_done(&wg);
        join(thread);
        assert_int_equal(kernel.wakes, round + 1);
    }
    assert_int_equal(atomic_load(&wg.word), WG_AWAKE_);
}

static void errno_is_kept_by_every_call(void **state)
{
    wg_t wg;
    const struct timespec past = {0, 0};
    (void)state;
    memset(&kernel, 0, sizeof kernel);
    kernel.fail_wakes = kernel.spoil_errno = true;
    errno = 4711;
    wg_init_shared(&wg);
    wg_init(&wg);
    wg_add(&wg, 1);
    assert_false(wg_wait_for(&wg, 1));
    assert_false(wg_wait_for(&wg, 1000000));
    assert_false(wg_wait_until(&wg, &past));
    assert_false(wg_try_wait(&wg));
    assert_int_equal(errno, 4711);
    kernel.waits = 0;
    const pthread_t thread = start(waiter, &wg);
    UNTIL(kernel.waits > 0);
    errno = 4711;
    assert_true(wg_done(&wg)); /* its wake fails */
    assert_int_equal(errno, 4711);
    join(thread);
    assert_int_equal(kernel.wakes, 1);
    assert_int_equal(errno_of_waiter, 4711);
    errno = 4711;
    wg_close(&wg);
    assert_false(wg_try_add(&wg, 1));
    assert_int_equal(wg_count(&wg), 0);
    wg_wait(&wg);
    assert_int_equal(errno, 4711);
}

/* A waiter that was left inside, made by hand, leaves while somebody naps. */
static wg_t nobodys = WG_INIT;

static void leave(void)
{
    atomic_store(&nobodys.word, WG_AWAKE_);
    atomic_fetch_sub(&nobodys.state, 1);
}

static void errno_is_kept_by_naps_and_by_waits_that_end_in_time(void **state)
{
    (void)state;
    memset(&kernel, 0, sizeof kernel);
    kernel.spoil_errno = true;
    for (int in_vain = 0; in_vain < 2; in_vain++) {
        wg_init(&nobodys);
        wg_add(&nobodys, 1);
        atomic_fetch_add(&nobodys.state, 1);
        assert_true(wg_done(&nobodys));
        kernel.waits = 0;
        kernel.in_wait = leave;
        kernel.fail_wait =
            in_vain ? ETIMEDOUT : 0; /* EAGAIN, from the kernel */
        errno = 4711;
        assert_true(wg_try_add(&nobodys, 1));
        assert_int_equal(errno, 4711);
        assert_int_equal(kernel.waits, 1);
        assert_true(wg_done(&nobodys));
    }
}

static void wait_that_fails(int error)
{
    wg_t wg = WG_INIT;
    wg_add(&wg, 1);
    kernel.fail_wait = error;
    wg_wait(&wg);
}

static void wait_EFAULT(void)
{
    wait_that_fails(EFAULT);
}
static void wait_EINVAL(void)
{
    wait_that_fails(EINVAL);
}
static void wait_ENOSYS(void)
{
    wait_that_fails(ENOSYS);
}
static void wait_EPERM(void)
{
    wait_that_fails(EPERM);
}

static void a_refused_wait_is_fatal(void **state)
{
    static const char text[] =
        "futex wait failed: EFAULT, EINVAL, ENOSYS or EPERM";
    (void)state;
    memset(&kernel, 0, sizeof kernel);
    expect_panic(wait_EFAULT, text, "counter 1, waiters 1");
    expect_panic(wait_EINVAL, text, "counter 1, waiters 1");
    expect_panic(wait_ENOSYS, text, "counter 1, waiters 1");
    expect_panic(wait_EPERM, text, "counter 1, waiters 1");
}

/* Refuses clock_gettime to this thread, as a seccomp filter does. */
static void refuse_the_clock(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
    kernel.raw_clock = true;
}

static void wait_for_without_a_clock(void)
{
    wg_t wg = WG_INIT;
    wg_add(&wg, 1);
    refuse_the_clock();
    (void)!wg_wait_for(&wg, 500000000);
}

static void wait_until_without_a_clock(void)
{
    wg_t wg = WG_INIT;
    wg_add(&wg, 2);
    refuse_the_clock();
    (void)!wg_wait_until(&wg, &(struct timespec){INT32_MAX, 0});
}

static void a_refused_clock_is_fatal(void **state)
{
    static const char text[] = "clock failed: CLOCK_MONOTONIC cannot be read";
    (void)state;
    memset(&kernel, 0, sizeof kernel);
    expect_panic(wait_for_without_a_clock, text, "counter 1, waiters 0");
    expect_panic(wait_until_without_a_clock, text, "counter 2, waiters 0");
}

static void release_nobodys_the_second_time(void)
{
    if (kernel.waits == 2)
        wg_done(&nobodys);
}

static void wait_for_nobodys(bool timed)
{
    if (timed)
        assert_true(wg_wait_for(&nobodys, INT64_MAX / 2));
    else
        wg_wait(&nobodys);
}

static void any_other_error_means_look_again(void **state)
{
    (void)state;
    for (int error = 1; error < 4096; error++) /* all that a call may return */
        for (int timed = 0; timed < 2; timed++) {
            if (error == EFAULT || error == EINVAL || error == ENOSYS ||
                error == EPERM || (timed && error == ETIMEDOUT))
                continue; /* that is no other one */
            memset(&kernel, 0, sizeof kernel);
            kernel.fail_wait = error;
            kernel.in_wait = release_nobodys_the_second_time;
            wg_init(&nobodys);
            wg_add(&nobodys, 1);
            errno = 4711;
            wait_for_nobodys(timed);
            assert_int_equal(errno, 4711);
            assert_int_equal(kernel.waits, 2);
            assert_true(STATE(&nobodys) == 0);
        }
}

/* It says something of a call only if that has failed. */
static void what_errno_was_before_does_not_count(void **state)
{
    static const int errors[] = {EFAULT, EINVAL, ENOSYS, EPERM, ETIMEDOUT};
    (void)state;
    for (int i = 0; i < 5; i++)
        for (int timed = 0; timed < 2; timed++) {
            memset(&kernel, 0, sizeof kernel);
            kernel.wakes_at_once = true;
            kernel.in_wait = release_nobodys_the_second_time;
            wg_init(&nobodys);
            wg_add(&nobodys, 1);
            errno = errors[i];
            wait_for_nobodys(timed);
            assert_int_equal(errno, errors[i]);
            assert_int_equal(kernel.waits, 2);
        }
}

/* A pipe that is full, a standard error that is closed: once is enough. So it
   is where only the beginning finds room: the rest would come after what others
   write, and be no line. */
static void a_line_that_cannot_be_written_is_not_tried_again(void **state)
{
    static const int errors[] = {EAGAIN, EINTR, EBADF, EIO, 0};
    (void)state;
    for (int i = 0; i < 5; i++) {
        int status;
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            wg_t wg = WG_INIT;
            setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
            signal(SIGABRT, SIG_DFL);
            kernel.fail_write = errors[i];
            kernel.cut_write = errors[i] == 0;
            wg_done(&wg);
            _exit(2);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_asked_for_without_a_waiter),
        TEST(one_wake_serves_64_waiters),
        TEST(a_wait_makes_one_system_call_and_reads_no_clock),
        TEST(a_timed_wait_reads_the_clock_once),
        TEST(a_timeout_costs_one_needless_wake),
        TEST(errno_is_kept_by_every_call),
        TEST(errno_is_kept_by_naps_and_by_waits_that_end_in_time),
        TEST(a_refused_wait_is_fatal),
        TEST(a_refused_clock_is_fatal),
        TEST(any_other_error_means_look_again),
        TEST(a_line_that_cannot_be_written_is_not_tried_again),
        TEST(what_errno_was_before_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
