/*
 * late_wake.c - a wg_done whose wake comes when the group's memory is gone
 *
 *     late_wake freed       free() came in between
 *     late_wake reused      the memory has been allocated and written again
 *     late_wake unmapped    the page is unmapped
 *
 * All legal: a wake has the group's address and touches nothing. Linked with
 * --wrap=syscall: the header's wake is held back until the waiter has disposed
 * of the memory, and the waiter does not sleep, as if a signal had come.
 */
#include "order.h"
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

long __real_syscall(long number, long a, long b, long c, long d, long e,
                    long f);
long __wrap_syscall(long number, ...);

static int late_wakes;

long __wrap_syscall(long number, ...)
{
    enum { WAKE = 1, PRIVATE = 128 };
    long arg[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) {
        arg[i] = va_arg(list, long);
    }
    va_end(list);
    if (number == SYS_futex && arg[1] == (WAKE | PRIVATE)) {
        await_turns(1);
        late_wakes++;
    } else if (number == SYS_futex) {
        sched_yield();
        errno = EINTR;
        return -1;
    }
    return __real_syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4],
                          arg[5]);
}

static void *done_for_a_sleeper(void *arg)
{
    await_sleeper(arg);
    wg_done(arg);
    return NULL;
}

/* Returns the worker, now inside its wake. */
static pthread_t wait_for_worker(wg_t *wg)
{
    wg_init(wg);
    wg_add(wg, 1);
    const pthread_t worker = start(done_for_a_sleeper, wg);
    wg_wait(wg);
    return worker;
}

static void wake_and_join(pthread_t worker)
{
    take_turn();
    join(worker);
    expect(late_wakes == 1, "one wake");
}

static void freed(void)
{
    wg_t *const wg = malloc(sizeof *wg);
    const pthread_t worker = wait_for_worker(wg);
    free(wg);
    wake_and_join(worker);
}

static void reused(void)
{
    wg_t *const wg = malloc(sizeof *wg);
    const pthread_t worker = wait_for_worker(wg);
    free(wg);
    /* Most likely the same memory; under memcheck, which holds back what is
       freed, it is not. */
    volatile char *const other = malloc(sizeof *wg);
    for (size_t i = 0; i < sizeof *wg; i++) {
        other[i] = 1;
    }
    wake_and_join(worker);
    free((void *)other);
}

static void unmapped(void)
{
    void *const page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    expect(page != MAP_FAILED, "a page");
    const pthread_t worker = wait_for_worker(page);
    munmap(page, 4096);
    wake_and_join(worker);
}

int main(int argc, char **argv)
{
    static const struct test tests[] = {{"freed", freed},
                                        {"reused", reused},
                                        {"unmapped", unmapped},
                                        {NULL, NULL}};
    return order_main(argc, argv, tests);
}
