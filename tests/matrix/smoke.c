/*
 * smoke.c - every promise of wg.h once, for all targets, in C and in C++
 *
 * Prints what ran, as the list of targets has it, or the check that failed.
 * Takes half a second, in an emulator too.
 *
 * WG_ALLOW_LIBATOMIC leaves the part out that needs two processes.
 * REFUSE_TIME64=error makes the futex call with 64-bit time fail with that errno
 * value, as an old kernel or a strict filter does; link with
 * -Wl,--wrap=syscall. With ONLY_TIME64 there is no other, as on riscv32.
 */
#ifdef ONLY_TIME64
#include <sys/syscall.h>
#undef SYS_futex
#ifndef SYS_futex_time64
#error "this target has no futex call with 64-bit time"
#endif
#endif
#include "wg.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __cplusplus /* what follows is C, too */
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wzero-as-null-pointer-constant"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuseless-cast"
#endif
#endif

/* The C library's clock writes as many. With another time_t than the system's
   it has another symbol. */
#if defined(__GLIBC__) && !defined(_TIME_BITS)
typedef char native_is_as_long[sizeof(wg_native_) == sizeof(time_t) ? 1 : -1];
#endif

#define CHECK(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))

enum { THREADS = 4, ADDS = 20000, ROUNDS = 50 };

static const int64_t MS = 1000000;

static void fail(int line, const char *condition)
{
    printf("line %d: %s\n", line, condition);
    fflush(stdout);
    _exit(1);
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, fn, arg) == 0);
    return thread;
}

static void join(pthread_t thread)
{
    CHECK(pthread_join(thread, NULL) == 0);
}

static struct timespec clock_now(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now;
}

static int64_t nanoseconds(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int waiters(wg_t *wg)
{
#ifdef __cplusplus
    const uint64_t state = __atomic_load_n(&wg->state, __ATOMIC_RELAXED);
#else
    const uint64_t state =
        atomic_load_explicit(&wg->state, memory_order_relaxed);
#endif
    return (int)(state & WG_WAITERS_);
}

/* Returns once count waiters are inside a wait and cannot return any more
   without a release: what follows has to wake them. */
static void until_waiting(wg_t *wg, int count)
{
    while (waiters(wg) < count) {
        sched_yield();
    }
}

/* ---- add: no add and no done gets lost ---- */

static wg_t many = WG_INIT;

static void *add_and_done(void *arg)
{
    for (int i = 0; i < ADDS; i++) {
        wg_add(&many, 2);
        CHECK(!wg_done(&many));
        CHECK(!wg_done(&many));
    }
    return arg;
}

static void part_add(void)
{
    pthread_t threads[THREADS];
    CHECK(wg_try_wait(&many));
    wg_add(&many, 1);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = start(add_and_done, NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        join(threads[i]);
    }
    CHECK(wg_count(&many) == 1);
    CHECK(!wg_try_wait(&many));
    CHECK(wg_done(&many));
    wg_wait(&many);
}

/* ---- reuse: round after round, each waiter sees each worker's work ---- */

static wg_t work = WG_INIT;
static int results[THREADS];

static void *work_and_wait(void *arg)
{
    int *const result = (int *)arg;
    ++*result;
    (void)wg_done(&work);
    wg_wait(&work);
    for (int i = 0; i < THREADS; i++) {
        CHECK(results[i] == *result);
    }
    return NULL;
}

static void part_reuse(void)
{
    for (int round = 1; round <= ROUNDS; round++) {
        pthread_t threads[THREADS];
        wg_add(&work, THREADS);
        for (int i = 0; i < THREADS; i++) {
            threads[i] = start(work_and_wait, &results[i]);
        }
        wg_wait(&work);
        for (int i = 0; i < THREADS; i++) {
            CHECK(results[i] == round);
        }
        for (int i = 0; i < THREADS; i++) {
            join(threads[i]);
        }
    }
}

/* ---- wake: one done releases all who sleep, one worker by wg_go ---- */

static wg_t gate = WG_INIT;

static void open_gate(void *arg)
{
    until_waiting(&gate, THREADS);
    *(int *)arg = 1;
}

static void *wait_at_gate(void *arg)
{
    wg_wait(&gate);
    CHECK(*(int *)arg == 1);
    return NULL;
}

static void part_wake(void)
{
    pthread_t threads[THREADS];
    int is_open = 0;
    CHECK(wg_go(&gate, open_gate, &is_open) == 0);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = start(wait_at_gate, &is_open);
    }
    for (int i = 0; i < THREADS; i++) {
        join(threads[i]);
    }
    wg_close(&gate);
    CHECK(!wg_try_add(&gate, 1));
}

/* ---- timed: not too short, not for ever, and woken in time ---- */

static void *done_when_waited_for(void *arg)
{
    wg_t *const wg = (wg_t *)arg;
    until_waiting(wg, 1);
    (void)wg_done(wg);
    return NULL;
}

static void part_timed(void)
{
    wg_t wg = WG_INIT;
    wg_add(&wg, 2);

    int64_t begin = nanoseconds(clock_now());
    CHECK(!wg_wait_for(&wg, 150 * MS));
    int64_t time = nanoseconds(clock_now()) - begin;
    CHECK(time >= 150 * MS);
    CHECK(time < 5000 * MS);

    struct timespec deadline = clock_now();
    begin = nanoseconds(deadline);
    deadline.tv_nsec += 150000000;
    deadline.tv_sec += deadline.tv_nsec / 1000000000;
    deadline.tv_nsec %= 1000000000;
    CHECK(!wg_wait_until(&wg, &deadline));
    time = nanoseconds(clock_now()) - begin;
    CHECK(time >= 150 * MS);
    CHECK(time < 5000 * MS);
    CHECK(wg_count(&wg) == 2 && waiters(&wg) == 0);

    CHECK(!wg_done(&wg));
    pthread_t thread = start(done_when_waited_for, &wg);
    CHECK(wg_wait_for(&wg, 60000 * MS));
    join(thread);

    wg_add(&wg, 1);
    thread = start(done_when_waited_for, &wg);
    deadline = clock_now();
    deadline.tv_sec += 60;
    CHECK(wg_wait_until(&wg, &deadline));
    join(thread);
    CHECK(nanoseconds(clock_now()) - begin < 30000 * MS);
}

/* ---- misuse: one line to standard error, then SIGABRT ---- */

static void too_many_dones(void)
{
    wg_t wg = WG_INIT;
    (void)wg_done(&wg);
}

static void too_many_adds(void)
{
    wg_t wg = WG_INIT;
    wg_add(&wg, INT32_MAX);
    wg_add(&wg, 1);
}

static void copy_in_use(void)
{
    wg_t wgs[2] = {WG_INIT, WG_INIT};
    wg_add(&wgs[0], 1);
    memcpy((void *)&wgs[1], (void *)&wgs[0], sizeof wgs[0]);
    (void)wg_done(&wgs[1]);
}

static void aborts(void (*misuse)(void), const char *line)
{
    int pipe_ends[2];
    CHECK(pipe(pipe_ends) == 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        CHECK(dup2(pipe_ends[1], STDERR_FILENO) == STDERR_FILENO);
        misuse();
        _exit(0);
    }
    close(pipe_ends[1]);

    /* An emulator may add lines of its own after ours, which is one write. */
    char text[256] = "";
    CHECK(read(pipe_ends[0], text, sizeof text - 1) > 0);
    char *const address = strstr(text, "0x");
    CHECK(address != NULL);
    const char *const rest = address + strcspn(address, ",");
    char with_star[sizeof text];
    snprintf(with_star, sizeof with_star, "%.*s*%.*s",
             (int)(address + 2 - text), text, (int)strcspn(rest, "\n") + 1,
             rest);
    if (strcmp(with_star, line) != 0) {
        fail(__LINE__, with_star);
    }
    close(pipe_ends[0]);

    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void part_misuse(void)
{
    aborts(too_many_dones,
           "wg: negative counter (wg 0x*, counter -1, waiters 0)\n");
    aborts(too_many_adds,
           "wg: counter overflow (wg 0x*, counter 2147483647, waiters 0)\n");
    aborts(copy_in_use, "wg: copied or moved after first use, or never "
                        "initialised (wg 0x*, counter 1, waiters 0)\n");
}

/* ---- shared: two processes, each sleeps until the other wakes it ---- */

#ifndef WG_ALLOW_LIBATOMIC
static void part_shared(void)
{
    wg_t *const pair =
        (wg_t *)mmap(NULL, 2 * sizeof *pair, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK((void *)pair != MAP_FAILED);
    wg_init_shared(&pair[0]);
    wg_init_shared(&pair[1]);
    wg_add(&pair[0], 1);
    wg_add(&pair[1], 1);

    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        until_waiting(&pair[0], 1);
        (void)wg_done(&pair[0]);
        wg_wait(&pair[1]);
        _exit(0);
    }
    wg_wait(&pair[0]);
    until_waiting(&pair[1], 1);
    (void)wg_done(&pair[1]);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(munmap((void *)pair, 2 * sizeof *pair) == 0);
}
#endif

/* ---- What old kernels do ---- */

/* A futex call with a time is tried with 64-bit time first. Only where that is
   refused, the same is tried with the old time, at once. A call without a time
   is the old one alone. */
#ifdef REFUSE_TIME64
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
static int refused;
static __thread long again; /* the operation that has just been refused */

long __wrap_syscall(long number, ...)
{
    long arguments[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) {
        arguments[i] = va_arg(list, long);
    }
    va_end(list);
    if (number == SYS_futex_time64) {
        CHECK(arguments[3] != 0 && again == 0);
        again = arguments[1];
        __atomic_fetch_add(&refused, 1, __ATOMIC_RELAXED);
        errno = REFUSE_TIME64;
        return -1;
    }
    if (number == SYS_futex) {
        CHECK(again == (arguments[3] != 0 ? arguments[1] : 0));
        again = 0;
    }
    return __real_syscall(number, arguments[0], arguments[1], arguments[2],
                          arguments[3], arguments[4], arguments[5]);
}
#endif

/* It is an ABI: the same on all targets. unit.mark has it for more addresses. */
static void part_mark(void)
{
    const wg_t *const high = (const wg_t *)(uintptr_t)0xfffffff8;
    CHECK(wg_mark_(high) == 0x50f00000);
}

int main(void)
{
    part_mark();
    part_add();
    part_reuse();
    part_wake();
    part_timed();
    part_misuse();
#ifndef WG_ALLOW_LIBATOMIC
    part_shared();
    printf("all");
#else
    printf("all but shared");
#endif
#ifdef REFUSE_TIME64
    CHECK(refused > 0 && again == 0);
    printf(", time64 refused");
#endif
    printf("\n");
    return 0;
}
