/*
 * hello.c - the first program: a hundred workers, and a main that waits
 *
 *     cc -std=c11 -O2 -pthread -I../include hello.c -o hello && ./hello
 *
 * To make it yours, change worker() and what is handed to it.
 */
#include "wg.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { WORKERS = 100 };

static wg_t wg = WG_INIT;

static void *worker(void *arg)
{
    const int *number = arg;
    printf("hello from worker %2d\n", *number);
    wg_done(&wg); /* the last act: main may be gone right after it */
    return NULL;
}

int main(void)
{
    static int numbers[WORKERS];
    int started = 0;

    wg_add(&wg, WORKERS); /* before the first of them starts */
    for (int i = 0; i < WORKERS; i++) {
        pthread_t thread;
        numbers[i] = i;
        const int error = pthread_create(&thread, NULL, worker, &numbers[i]);
        if (error != 0) {
            fprintf(stderr, "hello: worker %d: %s\n", i, strerror(error));
            wg_done(&wg); /* in place of the worker that is not there */
            continue;
        }
        pthread_detach(thread); /* nobody joins it */
        started++;
    }
    /* When this returns, what the workers did before their wg_done is done and
       can be seen. It is not a join: a thread may still be on its way out. */
    wg_wait(&wg);
    printf("%d of %d workers are done\n", started, WORKERS);

    if (ferror(stdout) || fflush(stdout) != 0) {
        fputs("hello: cannot write to stdout\n", stderr);
        return 1;
    }
    return started < WORKERS;
}
