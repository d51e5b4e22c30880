/* Groups in memory that processes share: parent and child, two programs, a
   64-bit and a 32-bit program, a worker process that is killed.

     shared PEER...    programs built from peer.c */
#define _GNU_SOURCE
#include "check.h"
#include "peer.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct shared *map_shared(int fd)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
             fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
    assert_true(shared != MAP_FAILED);
    return shared;
}

static int exit_status_of(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_static_shared_group_is_ready(void **state)
{
    static wg_t wg = WG_INIT_SHARED;
    (void)state;
    wg_add(&wg, 1);
    assert_true(wg_done(&wg));
    assert_true(wg_is_shared_(wg.state));
}

static void processes_wait_for_processes(void **state)
{
    enum { PROCESSES = 4, ROUNDS = 200 };
    struct shared *shared = map_shared(-1);
    (void)state;
    wg_init_shared(&shared->wg);
    for (int round = 0; round < ROUNDS; round++) {
        pid_t children[PROCESSES];
        wg_add(&shared->wg, 1);
        for (int i = 0; i < PROCESSES; i++) {
            children[i] = fork();
            if (children[i] == 0) {
                wg_wait(&shared->wg);
                _exit(shared->sum == round + 1 ? 0 : 1);
            }
        }
        if (round % 2 == 0)
            UNTIL(WAITERS(&shared->wg) == PROCESSES);
        shared->sum = round + 1;
        wg_done(&shared->wg);
        for (int i = 0; i < PROCESSES; i++)
            assert_int_equal(exit_status_of(children[i]), 0);
        assert_true(STATE(&shared->wg) == 0);
    }
    munmap(shared, sizeof *shared);
}

static void a_parent_notices_that_a_worker_was_killed(void **state)
{
    struct shared *shared = map_shared(-1);
    (void)state;
    wg_init_shared(&shared->wg);
    wg_add(&shared->wg, 2);
    const pid_t good = fork();
    if (good == 0) {
        wg_done(&shared->wg);
        _exit(0);
    }
    const pid_t bad = fork();
    if (bad == 0)
        for (;;)
            pause();
    assert_int_equal(kill(bad, SIGKILL), 0);
    assert_int_equal(exit_status_of(good), 0);
    assert_false(wg_wait_for(&shared->wg, 10000000));
    assert_int_equal(wg_count(&shared->wg), 1); /* one is missing: which? */
    assert_true(WIFSIGNALED(exit_status_of(bad)));
    wg_done(&shared->wg); /* in place of the dead */
    assert_true(wg_wait_for(&shared->wg, 0));
    munmap(shared, sizeof *shared);
}

static pid_t waiting_child(wg_t *wg)
{
    const pid_t child = fork();
    if (child == 0) {
        wg_wait(wg);
        _exit(0);
    }
    UNTIL(WAITERS(wg) == 1);
    return child;
}

static void init_shared_repairs_what_a_killed_waiter_left(void **state)
{
    struct shared *shared = map_shared(-1);
    wg_t *const wg = &shared->wg;
    (void)state;
    wg_init_shared(wg);
    wg_add(wg, 1);
    const pid_t killed = waiting_child(wg);
    assert_int_equal(kill(killed, SIGKILL), 0);
    assert_true(WIFSIGNALED(exit_status_of(killed)));
    wg_close(wg);
    wg_done(wg);
    assert_int_equal(WAITERS(wg), 1); /* which nobody takes off */
    wg_init_shared(wg);
    for (int round = 0; round < 2; round++) {
        assert_true(wg_try_add(wg, 1));
        const pid_t child = waiting_child(wg);
        wg_done(wg);
        assert_int_equal(exit_status_of(child), 0);
        assert_true(STATE(wg) == 0);
    }
    munmap(shared, sizeof *shared);
}

static char **peers;

static pid_t run_peer(const char *peer, const char *name, const char *task)
{
    const pid_t child = fork();
    if (child == 0) {
        execl(peer, peer, name, task, (char *)NULL);
        _exit(127);
    }
    return child;
}

static void programs_share_a_group_through_shm_open(void **state)
{
    char name[64];
    (void)state;
    snprintf(name, sizeof name, "/wg-test-%ld", (long)getpid());
    for (char **peer = peers; *peer != NULL; peer++) {
        const int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, sizeof(struct shared)), 0);
        struct shared *shared = map_shared(fd);
        wg_init_shared(&shared->wg);
        wg_init_shared(&shared->answered);

        /* The peer counts down, we wait. */
        wg_add(&shared->wg, DONES);
        pid_t child = run_peer(*peer, name, "done");
        wg_wait(&shared->wg);
        assert_int_equal(shared->sum, DONES);
        assert_int_equal(exit_status_of(child), 0);

        /* The peer sleeps, we count down and wake it. */
        wg_add(&shared->wg, 1);
        wg_add(&shared->answered, 1);
        child = run_peer(*peer, name, "wait");
        UNTIL(WAITERS(&shared->wg) == 1);
        wg_done(&shared->wg);
        wg_wait(&shared->answered);
        assert_int_equal(exit_status_of(child), 0);

        munmap(shared, sizeof *shared);
        close(fd);
        shm_unlink(name);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_static_shared_group_is_ready),
        TEST(processes_wait_for_processes),
        TEST(a_parent_notices_that_a_worker_was_killed),
        TEST(init_shared_repairs_what_a_killed_waiter_left),
        TEST(programs_share_a_group_through_shm_open),
    };
    if (argc < 2) {
        fprintf(stderr, "usage: shared PEER...\n");
        return 2;
    }
    peers = argv + 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
