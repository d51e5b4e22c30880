/*
 * wc.c - counts lines, words and bytes of many files at once
 *
 *     cc -std=c11 -O2 -pthread -I../include wc.c -o pwc && ./pwc FILE...
 *
 * One worker for each file, at most as many at once as there are processors.
 * To make it yours, change struct job, count() and print().
 */
#define _POSIX_C_SOURCE 200809L
#include "wg.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
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

static wg_t wg = WG_INIT;
static sem_t slots;

static void count(struct job *job)
{
    FILE *file = fopen(job->path, "rb");
    if (file != NULL) {
        char buffer[1 << 16];
        bool in_word = false;
        for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0;) {
            job->bytes += n;
            for (size_t i = 0; i < n; i++) {
                const bool is_space = isspace((unsigned char)buffer[i]);
                job->lines += buffer[i] == '\n';
                job->words += in_word && is_space;
                in_word = !is_space;
            }
        }
        job->words += in_word;
        job->error = ferror(file) ? errno : 0;
        struct stat status;
        fstat(fileno(file), &status);
        job->width = S_ISREG(status.st_mode) ? 1 : 7; /* as wc has it */
        fclose(file);
    } else {
        job->error = errno;
    }
}

static void *worker(void *job)
{
    count(job);
    sem_post(&slots);
    wg_done(&wg); /* the last act: from here on the job is main's */
    return NULL;
}

static int print(const struct job *job, int width)
{
    if (job->error != 0)
        fprintf(stderr, "pwc: %s: %s\n", job->path, strerror(job->error));
    if (job->width != 0)
        printf("%*lu %*lu %*lu %s\n", width, job->lines, width, job->words,
               width, job->bytes, job->path);
    return job->error != 0;
}

int main(int argc, char **argv)
{
    const int files = argc - 1;
    struct job *const jobs =
        files > 0 ? calloc((size_t)argc, sizeof *jobs) : NULL;
    if (jobs == NULL) {
        fputs(files > 0 ? "pwc: out of memory\n" : "usage: pwc FILE...\n",
              stderr);
        return 2;
    }
    sem_init(&slots, 0, (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    for (int i = 0; i < files; i++) {
        pthread_t thread;
        jobs[i].path = argv[i + 1];
        sem_wait(&slots);
        wg_add(&wg, 1); /* before the worker starts */
        if (pthread_create(&thread, NULL, worker, &jobs[i]) == 0)
            pthread_detach(thread);
        else
            worker(&jobs[i]); /* no thread to be had: do it here */
    }
    wg_wait(&wg);

    struct job *const total = &jobs[files];
    int width = 1, status = 0;
    *total = (struct job){.path = "total", .width = 1};
    for (int i = 0; i < files; i++) {
        total->lines += jobs[i].lines;
        total->words += jobs[i].words;
        total->bytes += jobs[i].bytes;
        width = jobs[i].width > width ? jobs[i].width : width;
    }
    const int digits = snprintf(NULL, 0, "%lu", total->bytes);
    width = digits > width ? digits : width;
    for (int i = 0; i < files + (files > 1); i++)
        status |= print(&jobs[i], width);
    free(jobs);
    return status;
}
