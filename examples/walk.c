/*
 * walk.c - a tree of unknown size: tasks that add tasks
 *
 *     cc -std=c11 -O2 -pthread -I../include walk.c -o walk && ./walk [DIR...]
 *
 * Counts directories, regular files and their bytes. It follows no symbolic
 * link that it finds. A task has a list of directories to read. While there
 * are fewer threads than processors, it hands half of its list to a new one.
 * Its own count is up then, so the counter is 0 only when all has been read.
 * To make it yours, change visit().
 */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#include "wg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct directory {
    struct directory *next;
    char path[]; /* ends in a slash */
};
static wg_t tasks = WG_INIT;
static sem_t spare; /* threads that may still be started */
static atomic_llong directories, files, bytes;
static atomic_int status;

static void complain(const char *path, const char *name)
{
    fprintf(stderr, "walk: %s%s: %s\n", path, name, strerror(errno));
    status = 1;
}

static void push(struct directory **list, const char *path, const char *name)
{
    const size_t size = strlen(path) + strlen(name) + 2;
    struct directory *const first = malloc(sizeof *first + size);
    if (first == NULL) {
        complain(path, name);
        return;
    }
    snprintf(first->path, size, "%s%s/", path, name);
    first->next = *list;
    *list = first;
}

static void visit(const char *path, struct directory **list)
{
    DIR *const stream = opendir(path);
    struct dirent *entry;
    struct stat found;
    directories += stream != NULL;
    while (stream != NULL && (errno = 0, entry = readdir(stream)) != NULL) {
        const char *const name = entry->d_name;
        if (fstatat(dirfd(stream), name, &found, AT_SYMLINK_NOFOLLOW) != 0) {
            complain(path, name);
        } else if (S_ISREG(found.st_mode)) {
            files++;
            bytes += found.st_size;
        } else if (S_ISDIR(found.st_mode) && strcmp(name, ".") != 0 &&
                   strcmp(name, "..") != 0) {
            push(list, path, name);
        }
    }
    if (errno != 0) /* opendir's or the last readdir's */
        complain(path, "");
    if (stream != NULL)
        closedir(stream);
}

static void work(void *arg)
{
    struct directory *list = arg;
    while (list != NULL) {
        struct directory *const first = list;
        list = first->next;
        visit(first->path, &list);
        free(first);
        if (list == NULL || list->next == NULL || sem_trywait(&spare) != 0)
            continue;
        struct directory *middle = list, *end = list->next;
        while ((end = end->next) != NULL && (end = end->next) != NULL)
            middle = middle->next;
        struct directory *const half = middle->next;
        middle->next = NULL;
        if (wg_go(&tasks, work, half) != 0)
            work(half); /* no thread to be had, and no task needs another */
    }
    sem_post(&spare);
}

int main(int argc, char **argv)
{
    struct directory *list = NULL;
    do
        push(&list, "", argc > 1 ? argv[argc - 1] : ".");
    while (--argc > 1);
    sem_init(&spare, 0, (unsigned)sysconf(_SC_NPROCESSORS_ONLN) - 1);
    if (wg_go(&tasks, work, list) != 0)
        work(list);
    while (!wg_wait_for(&tasks, 100000000)) /* ten times a second */
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "files %19lld\r", files);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "%25s\r", ""); /* what progress was shown */
    printf("directories %13lld\nregular files %11lld\nbytes in them %11lld\n",
           directories, files, bytes);
    if (!ferror(stdout) && fflush(stdout) == 0)
        return status;
    fputs("walk: cannot write to stdout\n", stderr);
    return 1;
}
