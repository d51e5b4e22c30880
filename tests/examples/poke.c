/*
 * poke.c - sends a signal to one thread: poke PID TID SIGNAL
 *
 * What kill sends, the kernel hands to main as long as main takes it.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    return argc != 4 || syscall(SYS_tgkill, atol(argv[1]), atol(argv[2]),
                                atol(argv[3])) != 0;
}
