/*
 * Counts the system calls of wg.h, which makes them all by syscall(): that is
 * replaced here. Prints an ok or FAIL line for each check.
 */
#define _GNU_SOURCE
#include "wg.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_WAITERS = 64 };

static atomic_int wakes, sleeps, others;
static long (*real_syscall)(long number, ...);

long syscall(long number, ...)
{
    long arg[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) {
        arg[i] = va_arg(list, long); /* more than was passed does no harm */
    }
    va_end(list);
    if (number == SYS_futex && (arg[1] & 127) == 1) {
        wakes++;
    } else if (number == SYS_futex) {
        sleeps++;
    } else {
        others++;
    }
    return real_syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

/* Judges and forgets what was counted since the last time. */
static void expect(int wanted_wakes, const char *name, int waiters)
{
    const bool good = wakes == wanted_wakes && sleeps == 0 && others == 0;
    printf("%s syscalls of %s, %d waiters", good ? "ok" : "FAIL", name,
           waiters);
    if (!good) {
        printf(": %d wakes, %d sleeps, %d others; wanted %d wakes", wakes,
               sleeps, others, wanted_wakes);
    }
    printf("\n");
    wakes = sleeps = others = 0;
}

static wg_t wg = WG_INIT;

static void *waiter(void *unused)
{
    wg_wait(&wg);
    return unused;
}

static void park_and_release(int waiters)
{
    pthread_t threads[MAX_WAITERS];

    wg_add(&wg, 2);
    for (int i = 0; i < waiters; i++) {
        if (pthread_create(&threads[i], NULL, waiter, NULL) != 0) {
            perror("pthread_create");
            exit(1);
        }
    }
    while (sleeps < waiters) { /* a sleep comes after the registration */
        sched_yield();
    }
    sleeps = others = 0;
    wg_done(&wg);
    expect(0, "done above 0", waiters);
    wg_done(&wg);
    for (int i = 0; i < waiters; i++) {
        pthread_join(threads[i], NULL);
    }
    sleeps = 0; /* the kernel may wake a thread for no reason */
    expect(1, "last done", waiters);
}

int main(void)
{
    /* A function out of a void pointer, as POSIX has it. */
    *(void **)&real_syscall = dlsym(RTLD_NEXT, "syscall");

    wg_add(&wg, 1);
    expect(0, "first add", 0);
    wg_add(&wg, 1000);
    expect(0, "add", 0);
    for (int i = 0; i < 1000; i++) {
        wg_done(&wg);
    }
    expect(0, "done above 0", 0);
    wg_done(&wg);
    expect(0, "last done", 0);
    wg_wait(&wg);
    expect(0, "wait at 0", 0);
    wg_try_wait(&wg);
    expect(0, "try_wait", 0);

    park_and_release(1);
    park_and_release(4);
    park_and_release(MAX_WAITERS);
    return 0;
}
