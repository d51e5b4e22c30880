/* The other program of shared.c: opens the shared memory that it is told of,
   and answers in it. Built for 64 and for 32 bits.

     peer NAME done    adds to the plain data, counts down, N times
     peer NAME wait    waits until the counter is 0, then says so */
#define _GNU_SOURCE
#include "peer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const int fd = argc == 3 ? shm_open(argv[1], O_RDWR, 0) : -1;
    if (fd < 0) {
        fprintf(stderr, "usage: peer NAME done|wait\n");
        return 2;
    }
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) {
        perror("peer: mmap");
        return 2;
    }
    if (strcmp(argv[2], "wait") == 0) {
        wg_wait(&shared->wg);
        if (shared->sum != DONES)
            return 1;
        wg_done(&shared->answered);
        return 0;
    }
    for (int i = 0; i < DONES; i++) {
        shared->sum++;
        wg_done(&shared->wg);
    }
    return 0;
}
