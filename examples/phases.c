/*
 * phases.c - one group, reused round after round: workers in lock step
 *
 *     cc -std=c11 -O2 -pthread -I../include phases.c -o phases && ./phases
 *
 * Smooths a row of numbers by repeated averaging. Each phase reads one row and
 * writes the other, so no worker may start the next before all are through.
 * To make it yours, change smooth().
 */
#include "wg.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { WORKERS = 4, LENGTH = 32, PHASES = 100 };

/* Two groups take turns: workers count down `finished`, main `started`. */
static wg_t started[2] = {WG_INIT, WG_INIT};
static wg_t finished = WG_INIT;
static double rows[2][LENGTH];

static void smooth(const double *from, double *to, int begin, int end)
{
    for (int i = begin; i < end; i++) {
        const double left = from[i > 0 ? i - 1 : 0];
        const double right = from[i < LENGTH - 1 ? i + 1 : LENGTH - 1];
        to[i] = (left + 2 * from[i] + right) / 4;
    }
}

static void *worker(void *arg)
{
    const int share = LENGTH / WORKERS, begin = *(int *)arg * share;
    for (int phase = 0; phase < PHASES; phase++) {
        wg_wait(&started[phase % 2]);
        smooth(rows[phase % 2], rows[1 - phase % 2], begin, begin + share);
        wg_done(&finished);
    }
    return NULL;
}

int main(void)
{
    static int numbers[WORKERS]; /* outlives main, if that has to give up */
    pthread_t threads[WORKERS];
    rows[0][LENGTH / 2] = 1000;

    wg_add(&started[0], 1);
    for (int i = 0; i < WORKERS; i++) {
        numbers[i] = i;
        const int error =
            pthread_create(&threads[i], NULL, worker, &numbers[i]);
        if (error != 0) {
            fprintf(stderr, "phases: %s\n", strerror(error));
            return 1; /* a phase without one of its workers has no end */
        }
    }
    for (int phase = 0; phase < PHASES; phase++) {
        /* Close the next gate before this one opens. Its last waits returned
           before the dones that ended the phase before. */
        wg_add(&started[1 - phase % 2], 1);
        wg_add(&finished, WORKERS);
        wg_done(&started[phase % 2]);
        wg_wait(&finished);
    }
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);

    double sum = 0;
    for (int i = 0; i < LENGTH; i++)
        sum += rows[PHASES % 2][i];
    printf("%d phases, sum %.3f, middle %.3f\n", PHASES, sum,
           rows[PHASES % 2][LENGTH / 2]);
    if (ferror(stdout) || fflush(stdout) != 0) {
        fputs("phases: cannot write to stdout\n", stderr);
        return 1;
    }
    return 0;
}
