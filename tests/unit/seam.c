#define _GNU_SOURCE
#include "seam.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct seam seam;
sem_t seam_held, seam_let_go;

__attribute__((constructor)) static void init_semaphores(void)
{
    sem_init(&seam_held, 0, 0);
    sem_init(&seam_let_go, 0, 0);
}

void seam_reset(void)
{
    seam = (struct seam){0};
}

void seam_hold(void *word)
{
    (void)word;
    sem_post(&seam_held);
    sem_wait(&seam_let_go);
}

int seam_wait(void *word, uint32_t expected, int64_t deadline_ns, bool shared)
{
    const struct timespec deadline = {(time_t)(deadline_ns / 1000000000),
                                      (long)(deadline_ns % 1000000000)};
    const int saved_errno = errno;
    seam.waits++;
    if (seam.on_wait)
        seam.on_wait(word);
    const long result = syscall(
        SYS_futex, word, FUTEX_WAIT_BITSET | (shared ? 0 : FUTEX_PRIVATE_FLAG),
        expected, deadline_ns == INT64_MAX ? NULL : &deadline, NULL, ~0u);
    const bool timed_out = result != 0 && errno == ETIMEDOUT;
    errno = saved_errno;
    return timed_out ? ETIMEDOUT : 0;
}

void seam_wake(void *word, bool shared)
{
    const int saved_errno = errno;
    seam.wakes++;
    if (seam.on_wake)
        seam.on_wake(word);
    syscall(SYS_futex, word, FUTEX_WAKE | (shared ? 0 : FUTEX_PRIVATE_FLAG),
            INT32_MAX);
    errno = saved_errno;
}

int64_t seam_now_ns(void)
{
    struct timespec now;
    if (seam.now_ns)
        return seam.now_ns();
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void seam_panic(const char *message)
{
    if (seam.on_panic)
        seam.on_panic(message);
    dprintf(STDERR_FILENO, "%s\n", message);
}
