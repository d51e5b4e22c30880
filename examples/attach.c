/*
 * attach.c - processes that meet by a file: nobody is the other's parent
 *
 *     cc -std=c11 -O2 -pthread -I../include attach.c -o attach && { ./attach \
 *         sums 2 & seq 9 | ./attach sums; seq 99 | ./attach sums; wait; }
 *
 * `attach FILE N` makes FILE, waits for N workers and prints their sum; each
 * `attach FILE` is a worker, and sums the numbers that it reads. FILE gets its
 * name when it is complete: zeros would be a group without counts. Workers hold
 * a lock, which goes when they die: so one sees that none is left to count
 * down. To make it yours, change struct shared and work().
 */
#define _DEFAULT_SOURCE
#include "wg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 64, LOOK_NS = 100000000, PATIENCE_MS = 10000 };

struct shared {
    wg_t wg;
    int places;
    atomic_int taken; /* who adds to it holds the lock */
    long long sums[MOST];
};

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "attach: %s: %s\n", what, why);
    exit(1);
}

static struct shared *map(const char *path, int file)
{
    void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED, file, 0);
    if (memory == MAP_FAILED)
        fail(path, strerror(errno));
    return memory;
}

static void create(const char *path, int places)
{
    char draft[4096];
    if (fcntl(STDOUT_FILENO, F_GETFD) < 0) /* or the file would become stdout */
        fail("stdout", "cannot write");
    snprintf(draft, sizeof draft, "%.4000s.%ld", path, (long)getpid());
    const int file = open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 || posix_fallocate(file, 0, sizeof(struct shared)) != 0) {
        unlink(draft);
        fail(draft, "cannot be made");
    }
    struct shared *shared = map(draft, file);
    wg_init_shared(&shared->wg);
    wg_add(&shared->wg, places);
    shared->places = places;
    const int error = link(draft, path) == 0 ? 0 : errno; /* it is complete */
    unlink(draft);
    if (error != 0)
        fail(path, strerror(error)); /* as if there is one already */

    /* Ten times a second, see whether one has yet to come, or is alive. */
    while (!wg_wait_for(&shared->wg, LOOK_NS) &&
           (shared->taken < places || flock(file, LOCK_EX | LOCK_NB) != 0))
        ;
    unlink(path);
    const int lost = wg_count(&shared->wg); /* nobody is left to change it */
    long long sum = 0;
    for (int i = 0; i < places; i++)
        sum += shared->sums[i];
    printf("sum %lld, %d of %d workers lost\n", sum, lost, places);
    if (ferror(stdout) || fflush(stdout) != 0)
        fail("stdout", "cannot write");
    exit(lost > 0);
}

static void work(const char *path)
{
    int file, got;
    for (int i = 0; (file = open(path, O_RDWR | O_CLOEXEC)) < 0; i++) {
        if (errno != ENOENT || i >= PATIENCE_MS / 10)
            fail(path, strerror(errno));
        /* It has yet to be created. Signals do not make this shorter. */
        struct timespec pause = {.tv_nsec = 10000000};
        while (nanosleep(&pause, &pause) != 0)
            ;
    }
    if (lseek(file, 0, SEEK_END) != (off_t)sizeof(struct shared))
        fail(path, "is no file of ours");
    struct shared *shared = map(path, file);
    const bool locked = flock(file, LOCK_SH | LOCK_NB) == 0;
    const int place = locked ? atomic_fetch_add(&shared->taken, 1) : MOST;
    if (place >= shared->places)
        fail(path, "no place is left");
    long long number, sum = 0;
    while ((got = scanf("%lld", &number)) == 1)
        sum += number;
    if (got != EOF || ferror(stdin))
        fail("stdin", "not a number");
    shared->sums[place] = sum;
    wg_done(&shared->wg); /* before the lock goes, which is at the end */
}

int main(int argc, char **argv)
{
    char *end = "";
    const long places = argc == 3 ? strtol(argv[2], &end, 10) : 0;
    if (argc < 2 || argc > 3 || *end != '\0' || places < 0 || places > MOST) {
        fprintf(stderr, "usage: attach FILE [WORKERS], %d at most\n", MOST);
        return 2;
    }
    if (argc == 3)
        create(argv[1], (int)places);
    work(argv[1]);
}
