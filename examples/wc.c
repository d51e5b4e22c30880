/*
 * wc.c - counts lines, words and bytes of many files at once
 *
 *     cc -std=c11 -O2 -pthread -I../include wc.c -o pwc && ./pwc FILE...
 *
 * As many workers as processors, main among them; each takes the next file from
 * an index that all share. If no thread is to be had, there are fewer workers.
 * Prints what wc prints in the C locale. Bytes outside ASCII (and control
 * characters) are parts of words here; some versions of wc see no word where
 * there is nothing else, and other locales have more spaces.
 */
#define _POSIX_C_SOURCE 200809L
#include "wg.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
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
static struct job *jobs;
static int files;
static atomic_int next; /* the first file that nobody has taken */

static ssize_t read_some(int file, void *buffer, size_t size)
{
    ssize_t got;
    while ((got = read(file, buffer, size)) < 0 && errno == EINTR)
        ; /* a signal is no error */
    return got;
}

static void count(struct job *job)
{
    unsigned char buffer[1 << 16];
    unsigned long lines = 0, words = 0; /* no other worker writes near them */
    bool in_word = false;
    struct stat status;
    ssize_t size = -1;
    const int file = open(job->path, O_RDONLY | O_CLOEXEC);
    if (file >= 0 && fstat(file, &status) == 0) {
        job->width = S_ISREG(status.st_mode) ? 1 : 7; /* as wc has it */
        while ((size = read_some(file, buffer, sizeof buffer)) > 0) {
            job->bytes += (unsigned long)size;
            for (ssize_t i = 0; i < size; i++) {
                const bool was_in_word = in_word;
                in_word = !isspace(buffer[i]);
                words += in_word && !was_in_word;
                lines += buffer[i] == '\n';
            }
        }
    }
    job->error = size < 0 ? errno : 0;
    job->lines = lines;
    job->words = words;
    if (file >= 0)
        close(file);
}

static void work(void *unused)
{
    (void)unused;
    for (int i; (i = atomic_fetch_add(&next, 1)) < files;)
        count(&jobs[i]);
}

int main(int argc, char **argv)
{
    wg_t wg = WG_INIT;
    const long workers = sysconf(_SC_NPROCESSORS_ONLN);
    files = argc - 1;
    jobs = files < 1 ? NULL : calloc((size_t)files + 1, sizeof *jobs);
    if (jobs == NULL) {
        fputs(files < 1 ? "usage: pwc FILE...\n" : "pwc: no memory\n", stderr);
        return 2;
    }
    for (int i = 0; i < files; i++)
        jobs[i].path = argv[i + 1];
    for (long i = 1; i < workers && i < files; i++)
        if (wg_go(&wg, work, NULL) != 0)
            break; /* those who are there do it all */
    work(NULL);
    wg_wait(&wg);

    struct job *const total = &jobs[files];
    int width = 1, error = 0;
    *total = (struct job){.path = "total", .width = 1};
    for (const struct job *job = jobs; job < total; job++) {
        total->lines += job->lines;
        total->words += job->words;
        total->bytes += job->bytes;
        width = job->width > width ? job->width : width;
    }
    const int digits = snprintf(NULL, 0, "%lu", total->bytes);
    width = digits > width ? digits : width;
    for (const struct job *job = jobs; job < total + (files > 1); job++) {
        if (job->error != 0)
            fprintf(stderr, "pwc: %s: %s\n", job->path, strerror(job->error));
        if (job->width != 0)
            printf("%*lu %*lu %*lu %s\n", width, job->lines, width, job->words,
                   width, job->bytes, job->path);
        error |= job->error;
    }
    free(jobs);
    if (ferror(stdout) || fflush(stdout) != 0) {
        fputs("pwc: cannot write to stdout\n", stderr);
        return 1;
    }
    return error != 0;
}
