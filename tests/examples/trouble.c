/*
 * trouble.c - linked to each example under test: what a bad day brings
 *
 * Does nothing unless the environment asks for it:
 *   NO_THREAD=N   every Nth pthread_create fails with EAGAIN
 *   TICK=US       every US microseconds a signal comes to some thread, and its
 *                 handler is one without SA_RESTART: blocking calls fail with
 *                 EINTR
 *   TROUBLE=FILE  gets a byte for each thread refused, each signal handled; so
 *                 a test can see that there was trouble at all
 *
 * It takes the place of pthread_create by the name: unlike LD_PRELOAD that
 * suits the sanitizers, and unlike ld's --wrap it holds for std::thread too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                   void *);

/* A sanitizer that is linked into the program has the one to call; before and
   since clang 17. */
create __interceptor_pthread_create __attribute__((weak));
create ___interceptor_pthread_create __attribute__((weak));

static void note(void)
{
    const int saved_errno = errno;
    const char *const path = getenv("TROUBLE");
    if (path != NULL) {
        const int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (file < 0 || write(file, ".", 1) != 1)
            abort();
        close(file);
    }
    errno = saved_errno;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*fn)(void *), void *arg)
{
    static atomic_uint calls;
    const char *const every = getenv("NO_THREAD");
    create *real = __interceptor_pthread_create;
    if (every != NULL &&
        (atomic_fetch_add(&calls, 1) + 1) % (unsigned)atoi(every) == 0) {
        note();
        return EAGAIN;
    }
    if (real == NULL)
        real = ___interceptor_pthread_create;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, attributes, fn, arg);
}

static void tick(int signal)
{
    (void)signal;
    note();
}

__attribute__((constructor)) static void start(void)
{
    const char *const us = getenv("TICK");
    if (us == NULL)
        return;
    const struct sigaction action = {.sa_handler = tick};
    const struct timeval time = {0, atoi(us)};
    const struct itimerval timer = {time, time};
    if (sigaction(SIGALRM, &action, NULL) != 0 ||
        setitimer(ITIMER_REAL, &timer, NULL) != 0)
        abort();
}
