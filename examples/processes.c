/*
 * processes.c - forked workers that count down a group in shared memory
 *
 *     cc -std=c11 -O2 -pthread -I../include processes.c -o processes && \
 *         ./processes one two crash four
 *
 * Counts letters, one worker a word. A worker that dies may have counted down
 * or not, and nobody can tell. So nobody counts down in its place: the parent
 * waits while any worker is alive; what is up then is lost.
 * To make it yours, change work() and struct shared.
 */
#define _DEFAULT_SOURCE
#include "wg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BATCHES = 2, MOST = 100, LOOK_NS = 100000000 };

struct shared {
    wg_t wg;
    size_t letters[MOST];
};

/* Two words show how a worker may die: before it has counted down, or after. */
static void work(struct shared *shared, int number, const char *word)
{
    if (strcmp(word, "crash") == 0)
        abort();
    shared->letters[number] = strlen(word);
    wg_done(&shared->wg);
    if (strcmp(word, "late") == 0)
        abort();
}

/* Reaps those who have ended; if options are 0, waits until all have. */
static void reap(int *alive, int *failed, int options)
{
    int status;
    pid_t ended;
    while (*alive > 0 && (ended = waitpid(-1, &status, options)) != 0) {
        if (ended > 0) {
            *alive -= 1;
            *failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
        } else if (errno != EINTR) {
            perror("processes: waitpid");
            exit(1);
        }
    }
}

/* Returns how many words are lost. */
static int batch(struct shared *shared, int words, char **word)
{
    int alive = 0, failed = 0;
    size_t letters = 0;
    fflush(stdout); /* or each worker has a copy of what waits there */
    for (int i = 0; i < words; i++) {
        shared->letters[i] = 0;
        wg_add(&shared->wg, 1); /* before the worker is there */
        const pid_t worker = fork();
        if (worker == 0) {
            work(shared, i, word[i]);
            _exit(0);
        }
        if (worker < 0) {
            perror("processes: fork");
            wg_done(&shared->wg); /* this one has not counted for sure */
            failed++;
        } else {
            alive++;
        }
    }

    /* Ten times a second, see whether anybody is left who could count down. */
    while (alive > 0 && !wg_wait_for(&shared->wg, LOOK_NS))
        reap(&alive, &failed, WNOHANG);
    reap(&alive, &failed, 0);

    const int lost = wg_count(&shared->wg); /* all who count are gone */
    if (lost > 0)
        wg_init_shared(&shared->wg); /* for the next use */
    for (int i = 0; i < words; i++)
        letters += shared->letters[i];
    printf("%zu letters in %d words, %d lost, %d failed\n", letters, words,
           lost, failed);
    return lost;
}

int main(int argc, char **argv)
{
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (argc - 1 > MOST) {
        fprintf(stderr, "usage: processes [WORD...], %d at most\n", MOST);
        return 2;
    }
    if (shared == MAP_FAILED) {
        perror("processes: mmap");
        return 1;
    }
    wg_init_shared(&shared->wg); /* shared: for other processes, too */
    int lost = 0;
    for (int i = 0; i < BATCHES; i++)
        lost += batch(shared, argc - 1, argv + 1);
    munmap(shared, sizeof *shared);
    if (ferror(stdout) || fflush(stdout) != 0) {
        fputs("processes: cannot write to stdout\n", stderr);
        return 1;
    }
    return lost > 0;
}
