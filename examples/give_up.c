/*
 * give_up.c - a request with a deadline: whoever asks may go on without answer
 *
 *     cc -std=c11 -O2 -pthread -I../include give_up.c -o give_up && \
 *         ./give_up MILLISECONDS FILE [MILLISECONDS FILE]...
 *
 * Prints the first line of each FILE, but waits only so long for it. To read
 * may take forever: a FIFO that nobody writes to, a file server that is away.
 * After a wait that has timed out the group is still in use: the worker will
 * count it down. So the request is not on the stack of whoever asks. It belongs
 * to both, and the last of the two to leave frees it. wg_go is not for that, as
 * it would count down after the worker has left.
 * To make it yours, change answer() and struct request.
 */
#define _POSIX_C_SOURCE 200809L
#include "wg.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
    wg_t pending;
    atomic_int owners;
    const char *path; /* lives longer than both owners */
    int error;        /* an errno value; 0 if there is an answer */
    char line[128];   /* the answer */
};

/* The loops: a signal handler may let either call fail with EINTR. */
static void answer(struct request *request)
{
    ssize_t size;
    int file;
    do
        file = open(request->path, O_RDONLY | O_CLOEXEC);
    while (file < 0 && errno == EINTR);
    if (file < 0) {
        request->error = errno;
        return;
    }
    do
        size = read(file, request->line, sizeof request->line - 1);
    while (size < 0 && errno == EINTR);
    request->error = size < 0 ? errno : 0;
    request->line[strcspn(request->line, "\n")] = '\0';
    close(file);
}

static void leave(struct request *request)
{
    if (atomic_fetch_sub(&request->owners, 1) == 1)
        free(request);
}

static void *work(void *arg)
{
    struct request *const request = arg;
    answer(request);
    wg_done(&request->pending);
    leave(request); /* nothing of it is touched after that */
    return NULL;
}

/* Prints the answer, or why there is none. Returns whether there is one. */
static bool ask(const char *path, long milliseconds)
{
    struct request *const request = calloc(1, sizeof *request);
    pthread_t thread;
    int error = ENOMEM;
    if (request != NULL) {
        request->owners = 2;
        request->path = path;
        wg_add(&request->pending, 1); /* all zeros are as good as WG_INIT */
        error = pthread_create(&thread, NULL, work, request);
    }
    if (error != 0) { /* to answer here might take longer than allowed */
        fprintf(stderr, "give_up: %s: %s\n", path, strerror(error));
        free(request);
        return false;
    }
    pthread_detach(thread);
    const bool in_time =
        wg_wait_for(&request->pending, milliseconds * INT64_C(1000000));
    const bool answered = in_time && request->error == 0;
    if (answered)
        printf("%s: %s\n", path, request->line);
    else if (in_time)
        fprintf(stderr, "give_up: %s: %s\n", path, strerror(request->error));
    else
        fprintf(stderr, "give_up: %s: no answer in %ld ms\n", path,
                milliseconds);
    leave(request);
    return answered;
}

int main(int argc, char **argv)
{
    int status = 0;
    long number;
    bool valid = argc > 2 && argc % 2 == 1;
    for (int i = 1; valid && i < argc; i += 2)
        valid = sscanf(argv[i], "%9ld", &number) == 1;
    if (!valid) {
        fputs("usage: give_up MILLISECONDS FILE...\n", stderr);
        return 2;
    }
    for (int i = 1; i < argc; i += 2)
        status |= !ask(argv[i + 1], atol(argv[i]));
    if (!ferror(stdout) && fflush(stdout) == 0)
        return status;
    fputs("give_up: cannot write to stdout\n", stderr);
    return 1;
}
