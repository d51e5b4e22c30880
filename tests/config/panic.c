/*
 * panic.c - the last words of a misuse: one write to standard error, even if
 * the thread's cancellation is pending, or a call of WG_PANIC, and abort()
 *
 *   no macro       the line is written
 *   PANIC_RETURNS  WG_PANIC is called, and returns
 *   PANIC_EXITS    it does not return
 */
#define _GNU_SOURCE
#ifdef PANIC_RETURNS
#define WG_PANIC(message) note(message)
#elif defined(PANIC_EXITS)
#define WG_PANIC(message) (note(message), _exit(42))
#endif

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))

static void fail(int line, const char *condition)
{
    printf("panic.c:%d: not so: %s\n", line, condition);
    exit(1);
}

static int notes[2];

static inline void note(const char *message)
{
    const size_t size = strlen(message);
    if (write(notes[1], message, size) != (ssize_t)size)
        _exit(3);
}

#include "wg.h"

static wg_t group = WG_INIT;

/* What came through a pipe: each write is a packet of its own. */
static void got(int pipe_end, char *text, size_t size, int *writes)
{
    ssize_t length = read(pipe_end, text, size - 1);
    text[length > 0 ? length : 0] = '\0';
    for (*writes = 0; length > 0; ++*writes) {
        char rest[256];
        length = read(pipe_end, rest, sizeof rest);
    }
}

int main(void)
{
    char line[256], text[256], noted[256];
    int errors[2], writes, calls, status;
    CHECK(pipe2(notes, O_DIRECT) == 0 && pipe2(errors, O_DIRECT) == 0);
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(errors[1], 2);
#ifndef WG_PANIC /* whose own write may end the thread */
        pthread_cancel(pthread_self());
#endif
        wg_done(&group);
        _exit(0);
    }
    close(notes[1]);
    close(errors[1]);
    got(errors[0], text, sizeof text, &writes);
    got(notes[0], noted, sizeof noted, &calls);
    CHECK(waitpid(child, &status, 0) == child);
    snprintf(line, sizeof line,
             "wg: negative counter (wg %p, counter -1, waiters 0)",
             (void *)&group);
#ifdef WG_PANIC
    CHECK(writes == 0);
    CHECK(calls == 1 && strcmp(noted, line) == 0);
#else
    strcat(line, "\n");
    CHECK(calls == 0);
    CHECK(writes == 1 && strcmp(text, line) == 0);
#endif
#ifdef PANIC_EXITS
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
#else
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
#endif
    puts("aborted");
    return 0;
}
