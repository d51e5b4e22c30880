/*
 * first_error.c - Go's errgroup: N workers, the first error kept
 *
 *     cc -std=c11 -O2 -pthread -I../include first_error.c -o first_error && \
 *         ./first_error FILE...
 *
 * Checks that every file can be read. As many workers as processors, main among
 * them; each takes the next item from an index that all share, and none after
 * the first error. If no thread is to be had, there are fewer workers.
 * To make it yours, change check().
 */
#define _POSIX_C_SOURCE 200809L
#include "wg.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct errgroup {
    wg_t wg;
    int items;
    char **item;
    atomic_int next;  /* the first item that nobody has taken */
    atomic_int error; /* an errno value; 0 so far */
    int culprit;      /* whoever sets error writes it; for those who waited */
};

/* Returns 0 or an errno value. */
static int check(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return errno;
    const int error = fgetc(file) == EOF && ferror(file) ? errno : 0;
    fclose(file);
    return error;
}

static void work(void *arg)
{
    struct errgroup *const group = arg;
    int i;
    while (group->error == 0 &&
           (i = atomic_fetch_add(&group->next, 1)) < group->items) {
        const int error = check(group->item[i]);
        int none = 0;
        if (error != 0 &&
            atomic_compare_exchange_strong(&group->error, &none, error))
            group->culprit = i;
    }
}

int main(int argc, char **argv)
{
    const long workers = sysconf(_SC_NPROCESSORS_ONLN);
    struct errgroup group = {
        .wg = WG_INIT, .items = argc - 1, .item = argv + 1};
    if (argc < 2) {
        fputs("usage: first_error FILE...\n", stderr);
        return 2;
    }
    for (long i = 1; i < workers && i < group.items; i++)
        if (wg_go(&group.wg, work, &group) != 0)
            break; /* those who are there do it all */
    work(&group);
    wg_wait(&group.wg);

    const int taken = group.next < group.items ? group.next : group.items;
    if (group.error != 0) {
        fprintf(stderr, "first_error: %s: %s (%d of %d checked)\n",
                group.item[group.culprit], strerror(group.error), taken,
                group.items);
        return 1;
    }
    printf("%d files can be read\n", taken);
    if (ferror(stdout) || fflush(stdout) != 0) {
        fputs("first_error: cannot write to stdout\n", stderr);
        return 1;
    }
    return 0;
}
