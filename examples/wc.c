/*
 * wc.c - counts lines, words and bytes of many files at once
 *
 *     cc -std=c11 -O2 -pthread -I../include wc.c -o pwc && ./pwc FILE...
 *
 * A worker for each file, at most as many at once as there are processors.
 */
#define _POSIX_C_SOURCE 200809L
#include "wg.h"

#include <ctype.h>
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct job {
    const char *path;
    unsigned long lines, words, bytes;
    int width; /* that its numbers ask for; 0 if it could not be opened */
    int error; /* an errno value; 0 if it was read to its end */
};
static sem_t slots;

static void count(void *arg)
{
    struct job *const job = arg;
    FILE *const file = fopen(job->path, "rb");
    unsigned char buffer[1 << 16], last = ' ';
    struct stat status;
    if (file != NULL && fstat(fileno(file), &status) == 0) {
        job->width = S_ISREG(status.st_mode) ? 1 : 7; /* as wc has it */
        for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0;) {
            job->bytes += n;
            for (size_t i = 0; i < n; last = buffer[i++]) {
                job->lines += buffer[i] == '\n';
                job->words += isspace(last) && !isspace(buffer[i]);
            }
        }
    }
    job->error = file == NULL || ferror(file) ? errno : 0;
    if (file != NULL)
        fclose(file);
    sem_post(&slots);
}

int main(int argc, char **argv)
{
    struct job *const jobs =
        argc < 2 ? NULL : calloc((size_t)argc, sizeof *jobs);
    if (jobs == NULL) {
        fputs(argc < 2 ? "usage: pwc FILE...\n" : "pwc: no memory\n", stderr);
        return 2;
    }
    struct job *const total = &jobs[argc - 1]; /* the last */
    wg_t wg = WG_INIT;
    sem_init(&slots, 0, (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    for (struct job *job = jobs; job < total; job++) {
        job->path = *++argv;
        sem_wait(&slots);
        if (wg_go(&wg, count, job) != 0)
            count(job); /* no thread to be had: do it here */
    }
    wg_wait(&wg);

    int width = 1, status = 0;
    *total = (struct job){.path = "total", .width = 1};
    for (const struct job *job = jobs; job < total; job++) {
        total->lines += job->lines;
        total->words += job->words;
        total->bytes += job->bytes;
        width = job->width > width ? job->width : width;
    }
    const int digits = snprintf(NULL, 0, "%lu", total->bytes);
    width = digits > width ? digits : width;
    for (const struct job *job = jobs; job < total + (argc > 2); job++) {
        if (job->error != 0)
            fprintf(stderr, "pwc: %s: %s\n", job->path, strerror(job->error));
        if (job->width != 0)
            printf("%*lu %*lu %*lu %s\n", width, job->lines, width, job->words,
                   width, job->bytes, job->path);
        status |= job->error != 0;
    }
    free(jobs);
    return status;
}
