/*
 * first_error.c - Go's errgroup: at most N tasks at once, the first error kept
 *
 *     cc -std=c11 -O2 -pthread -I../include first_error.c -o first_error && \
 *         ./first_error FILE...
 *
 * Checks that every file can be read. After the first error no further task
 * starts. To make it yours, change check().
 */
#include "wg.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { AT_ONCE = 4 };

struct errgroup {
    wg_t wg;
    sem_t slots;
    atomic_int error; /* an errno value; 0 so far */
    _Atomic(const char *) culprit;
};

static struct errgroup group = {.wg = WG_INIT};

static int check(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return errno;
    const int error = fgetc(file) == EOF && ferror(file) ? errno : 0;
    fclose(file);
    return error;
}

static void task(void *arg)
{
    const char *path = arg;
    const int error = check(path);
    int none = 0;
    if (error != 0 &&
        atomic_compare_exchange_strong(&group.error, &none, error))
        group.culprit = path; /* for whoever has waited */
    sem_post(&group.slots);
}

int main(int argc, char **argv)
{
    int started = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: first_error FILE...\n");
        return 2;
    }
    sem_init(&group.slots, 0, AT_ONCE);
    for (int i = 1; i < argc; i++, started++) {
        sem_wait(&group.slots);
        if (group.error != 0)
            break;
        if (wg_go(&group.wg, task, argv[i]) != 0)
            task(argv[i]); /* no thread to be had: do it here */
    }
    wg_wait(&group.wg);
    if (group.error != 0) {
        fprintf(stderr, "first_error: %s: %s (%d of %d started)\n",
                group.culprit, strerror(group.error), started, argc - 1);
        return 1;
    }
    printf("%d files can be read\n", started);
    return 0;
}
