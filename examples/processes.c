/*
 * processes.c - forked workers that count down a group in shared memory
 *
 *     cc -std=c11 -O2 -pthread -I../include processes.c -o processes && \
 *         ./processes
 *
 * A worker that crashes or is killed never comes to its wg_done. Therefore the
 * parent waits with a limit, and then looks at who has died.
 * To make it yours, change work() and struct shared.
 */
#define _DEFAULT_SOURCE
#include "wg.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 4 };

struct shared {
    wg_t wg;
    long results[WORKERS];
};

static long work(int number)
{
    if (number == 2)
        abort(); /* to show what happens then */
    return number * 100L;
}

int main(void)
{
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("processes: mmap");
        return 1;
    }
    wg_init_shared(&shared->wg); /* shared: for other processes, too */

    int alive = 0;
    for (int i = 0; i < WORKERS; i++) {
        wg_add(&shared->wg, 1); /* before the worker is there */
        const pid_t worker = fork();
        if (worker == 0) {
            shared->results[i] = work(i);
            wg_done(&shared->wg);
            _exit(0);
        }
        if (worker < 0) {
            perror("processes: fork");
            wg_done(&shared->wg);
            continue;
        }
        alive++;
    }

    /* Ten times a second, see whether somebody died without counting down. */
    int lost = 0;
    while (!wg_wait_for(&shared->wg, 100000000)) {
        int status;
        while (alive > 0 && waitpid(-1, &status, WNOHANG) > 0) {
            alive--;
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                lost++;
                wg_done(&shared->wg); /* in place of the dead */
            }
        }
    }
    while (alive > 0 && wait(NULL) > 0)
        alive--;

    long sum = 0;
    for (int i = 0; i < WORKERS; i++)
        sum += shared->results[i];
    printf("sum %ld, %d of %d workers lost\n", sum, lost, WORKERS);
    munmap(shared, sizeof *shared);
    return 0;
}
