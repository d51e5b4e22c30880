/*
 * shutdown.c - a server that drains its requests within a deadline
 *
 *     cc -std=c11 -O2 -pthread -I../include shutdown.c -o shutdown && \
 *         ./shutdown SOCKET [SECONDS]
 *
 * Listens on a unix socket, one thread a request, and answers in capitals. On
 * SIGTERM or SIGINT it takes no further request, gives those that it has taken
 * SECONDS (5) to finish, and says how many it had to leave. A second signal
 * ends it at once. When descriptors are short it waits a little, and goes on.
 * To make it yours, change serve().
 */
#define _DEFAULT_SOURCE
#include "wg.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static wg_t requests = WG_INIT;
static int listener;
static atomic_bool stopping;

/* wg_close is not for signal handlers; this ends the accept() in main. */
static void stop(int signal)
{
    const int saved_errno = errno;
    if (atomic_exchange(&stopping, true))
        _exit(128 + signal); /* asked twice: leave all behind */
    shutdown(listener, SHUT_RD);
    errno = saved_errno;
}

static void serve(void *arg)
{
    const int connection = (int)(intptr_t)arg;
    char line[256];
    ssize_t size;
    do
        size = read(connection, line, sizeof line);
    while (size < 0 && errno == EINTR); /* the signal may come here */
    for (ssize_t i = 0; i < size; i++)
        line[i] = (char)toupper((unsigned char)line[i]);
    if (size < 0 || write(connection, line, (size_t)size) != size)
        perror("shutdown: a request");
    close(connection);
}

static void accept_all(void)
{
    const struct timespec a_little = {.tv_nsec = 100000000};
    while (!stopping) {
        const int connection = accept(listener, NULL, NULL);
        if (connection >= 0) {
            if (wg_go(&requests, serve, (void *)(intptr_t)connection) != 0)
                close(connection); /* no thread to be had: the client sees it */
        } else if (!stopping && errno != EINTR && errno != ECONNABORTED) {
            perror("shutdown: accept");
            nanosleep(&a_little, NULL); /* requests will end, and give back */
        }
    }
}

/* Whether what was printed could be written. */
static bool written(void)
{
    if (!ferror(stdout) && fflush(stdout) == 0)
        return true;
    fputs("shutdown: cannot write to stdout\n", stderr);
    return false;
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct sigaction on_stop = {.sa_handler = stop};
    char *end = "";
    const long seconds = argc == 3 ? strtol(argv[2], &end, 10) : 5;
    if (argc < 2 || argc > 3 || strlen(argv[1]) >= sizeof address.sun_path ||
        *end != '\0' || seconds < 0 || seconds > 86400) {
        fputs("usage: shutdown SOCKET [SECONDS]\n", stderr);
        return 2;
    }
    strcpy(address.sun_path, argv[1]);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 16) != 0) {
        perror("shutdown: cannot listen");
        return 1;
    }
    sigaction(SIGTERM, &on_stop, NULL);
    sigaction(SIGINT, &on_stop, NULL);
    signal(SIGPIPE, SIG_IGN); /* clients that have gone */
    puts("listening");
    if (!written()) {
        unlink(argv[1]);
        return 1;
    }
    accept_all();

    wg_close(&requests); /* nobody gets in any more */
    unlink(argv[1]);
    const bool done = wg_wait_for(&requests, seconds * (int64_t)1000000000);
    if (done)
        puts("all requests served");
    else
        printf("%d requests left behind\n", wg_count(&requests));
    return written() && done ? 0 : 1;
}
