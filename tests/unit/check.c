#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void on_time_limit(int signal)
{
    static const char text[] = "time limit exceeded\n";
    (void)signal;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(124);
}

int start_time_limit(void **state)
{
    (void)state;
    signal(SIGALRM, on_time_limit);
    alarm(TIME_LIMIT);
    return 0;
}

pthread_t start(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, arg), 0);
    return thread;
}

void join(pthread_t thread)
{
    assert_int_equal(pthread_join(thread, NULL), 0);
}

void give_way(unsigned looks)
{
    static const struct timespec nap = {.tv_nsec = 20000};
    if (looks > 2000)
        nanosleep(&nap, NULL);
}

void expect_panic_on(const void *wg, void (*misuse)(void), const char *text,
                     const char *numbers)
{
    int ends[2]; /* of a socket, which keeps writes apart, as no pipe does */
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        alarm(TIME_LIMIT / 2);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        misuse();
        _exit(0); /* not caught: the parent will say so */
    }
    close(ends[1]);
    char output[1024] = "";
    size_t length = 0;
    int writes = 0;
    for (ssize_t size; (size = read(ends[0], output + length,
                                    sizeof output - 1 - length)) > 0;
         writes++)
        length += (size_t)size;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);

    char expected[256], somewhere[32] = "";
    const char *const address = strstr(output, "(wg 0x");
    if (wg != NULL)
        snprintf(somewhere, sizeof somewhere, "%p", wg);
    else if (address != NULL)
        sscanf(address, "(wg %31[0-9a-fx]", somewhere);
    snprintf(expected, sizeof expected, "wg: %s (wg %s, %s)\n", text, somewhere,
             numbers);
    if (strcmp(output, expected) != 0)
        fail_msg("expected \"%s\", got \"%s\"", expected, output);
    if (writes != 1)
        fail_msg("\"%s\": written by %d writes, not one", text, writes);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("\"%s\": ended with status 0x%x, not SIGABRT", text, status);
}

void expect_panic(void (*misuse)(void), const char *text, const char *numbers)
{
    expect_panic_on(NULL, misuse, text, numbers);
}
