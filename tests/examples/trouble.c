/*
 * trouble.c - linked to each example under test: what a bad day brings
 *
 * Does nothing unless the environment asks for it:
 *   NO_THREAD=N   every Nth pthread_create, every Nth fork fails with EAGAIN
 *   TICK=US       every US microseconds a signal comes to some thread, and its
 *                 handler is one without SA_RESTART: blocking calls fail with
 *                 EINTR
 *   DESCRIPTORS=N no more than so many files are open at once (ulimit -n would
 *                 keep the program's libraries from being loaded)
 *   PROCESSORS=N  sysconf says that there are so many
 *   TROUBLE=FILE  gets a byte for each thread refused, each signal handled; so
 *                 a test can see that there was trouble at all
 *
 * It takes the functions' places by their names: unlike LD_PRELOAD that
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
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                   void *);

/* A sanitizer that is linked into the program has the one to call; before and
   since clang 17. */
create __interceptor_pthread_create __attribute__((weak));
create ___interceptor_pthread_create __attribute__((weak));
pid_t __interceptor_fork(void) __attribute__((weak));
pid_t ___interceptor_fork(void) __attribute__((weak));

/* Appends a byte to TROUBLE. */
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

/* Whether it is this call's turn to fail. */
static int refused(atomic_uint *calls)
{
    const char *const every = getenv("NO_THREAD");
    if (every == NULL ||
        (atomic_fetch_add(calls, 1) + 1) % (unsigned)atoi(every) != 0)
        return 0;
    note();
    return 1;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*fn)(void *), void *arg)
{
    static atomic_uint calls;
    create *real = __interceptor_pthread_create;
    if (refused(&calls))
        return EAGAIN;
    if (real == NULL)
        real = ___interceptor_pthread_create;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, attributes, fn, arg);
}

pid_t fork(void)
{
    static atomic_uint calls;
    pid_t (*real)(void) = __interceptor_fork;
    if (refused(&calls)) {
        errno = EAGAIN;
        return -1;
    }
    if (real == NULL)
        real = ___interceptor_fork;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "fork");
    return real();
}

/* For whom --wrap will do. */
long __real_sysconf(int name);
long __wrap_sysconf(int name);
long __wrap_sysconf(int name)
{
    const char *const processors = getenv("PROCESSORS");
    return name == _SC_NPROCESSORS_ONLN && processors != NULL
               ? atol(processors)
               : __real_sysconf(name);
}

static void tick(int signal)
{
    (void)signal;
    note();
}

__attribute__((constructor)) static void start(void)
{
    const char *const us = getenv("TICK");
    const char *const descriptors = getenv("DESCRIPTORS");
    if (us != NULL) {
        const struct sigaction action = {.sa_handler = tick};
        const struct timeval time = {0, atoi(us)};
        const struct itimerval timer = {time, time};
        if (sigaction(SIGALRM, &action, NULL) != 0 ||
            setitimer(ITIMER_REAL, &timer, NULL) != 0)
            abort();
    }
    if (descriptors != NULL) {
        const rlim_t limit = (rlim_t)atol(descriptors);
        if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){limit, limit}) != 0)
            abort();
    }
}
