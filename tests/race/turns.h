/*
 * turns.h - threads of which one runs at a time, and chance says which
 *
 * A thread that comes to a step, which is a call of stand_aside, may be held
 * there while others go on. So the schedule hangs on the seed alone: not on how
 * many processors there are, and not on what else keeps them busy. The same
 * seed makes the same schedule again.
 *
 * Turns must not hide a race. They are handed on by system calls that
 * ThreadSanitizer does not know, in functions that it does not look into, so
 * they give no happens-before edge.
 *
 * That all threads sleep is found at once, and that they go round in circles
 * after some steps more than any program takes.
 */
#ifndef TURNS_H
#define TURNS_H

#include <sched.h>
#include <sys/eventfd.h>

#define UNSEEN __attribute__((no_sanitize("thread")))

enum {
    PLAYERS = 8, /* threads that are there from the beginning; main is 0 */
    RUNNERS = 16,
    STEPS = 1000000 /* in a round */
};
enum runner_state { ABSENT, READY, ASLEEP };

static struct runner {
    enum runner_state state;
    int turn;         /* an event: it is this one's turn */
    int not_before;   /* the step until which it stands aside */
    const void *word; /* that it sleeps on */
    void *(*run)(void *);
    void *arg;
} runners[RUNNERS];
static int steps;                /* in this round */
static int started;              /* and not through; atomic */
static _Thread_local int myself; /* of runners */

/* One of those that can go on now. Where all stand aside, time passes until the
   first of them is due. */
UNSEEN static int choose(void)
{
    int chosen = -1, first = -1;
    unsigned due = 0;
    for (int i = 0; i < RUNNERS; i++) {
        if (runners[i].state != READY) {
            continue;
        }
        if (runners[i].not_before <= steps && random_below(++due) == 0) {
            chosen = i;
        }
        if (first < 0 || runners[i].not_before < runners[first].not_before) {
            first = i;
        }
    }
    if (first < 0) {
        fail("no wake-up is lost");
    }
    if (chosen < 0) {
        steps = runners[first].not_before;
    }
    return chosen < 0 ? first : chosen;
}

UNSEEN static void await_turn(void)
{
    uint64_t value;
    while (real_syscall(SYS_read, runners[myself].turn, &value, sizeof value) <
           0) {
    }
}

/* To another one, or to nobody. Returns whether it went to another. */
UNSEEN static bool hand_on_turn(void)
{
    const uint64_t value = 1;
    const int next = choose();
    if (next == myself) {
        return false;
    }
    if (real_syscall(SYS_write, runners[next].turn, &value, sizeof value) < 0) {
        fail("there are events");
    }
    return true;
}

/* Ends this turn; its next one begins after that many steps of others at the
   soonest, unless they all stand aside or sleep. */
UNSEEN static void stand_aside(int count)
{
    if (++steps > STEPS) {
        fail("no wake-up is lost");
    }
    runners[myself].not_before = steps + count;
    if (hand_on_turn()) {
        await_turn();
    }
}

/* In a loop until others have done something. */
static void give_way(void)
{
    stand_aside(1 + (int)random_below(20));
}

/* As FUTEX_WAIT: returns whether it slept. */
UNSEEN static bool fall_asleep(const void *word, uint32_t expected)
{
    if (*(const volatile uint32_t *)word != expected) {
        return false;
    }
    runners[myself].state = ASLEEP;
    runners[myself].word = word;
    (void)hand_on_turn();
    await_turn();
    return true;
}

/* As FUTEX_WAKE, of all. What was at this address may be gone. */
UNSEEN static void wake_up(const void *word)
{
    for (int i = 0; i < RUNNERS; i++) {
        if (runners[i].state == ASLEEP && runners[i].word == word) {
            runners[i].state = READY;
            runners[i].not_before = steps;
        }
    }
}

/* From now on it gets its turns, until it is absent again. */
UNSEEN static void make_ready(int runner)
{
    runners[runner].state = READY;
    runners[runner].not_before = steps;
}

UNSEEN static void be_absent(void)
{
    runners[myself].state = ABSENT;
    (void)hand_on_turn();
}

static void one_less(void)
{
    __atomic_fetch_sub(&started, 1, __ATOMIC_RELEASE);
}

UNSEEN static void *run_in_turn(void *runner)
{
    const struct runner *const mine = runner;
    myself = (int)(mine - runners);
    await_turn();
    void *const result = mine->run(mine->arg);
    one_less();
    be_absent();
    return result;
}

/* As pthread_create. */
UNSEEN static int start_in_turn(pthread_t *thread,
                                const pthread_attr_t *attributes,
                                void *(*run)(void *), void *arg)
{
    int i = PLAYERS;
    while (i < RUNNERS && runners[i].state != ABSENT) {
        i++;
    }
    if (i == RUNNERS) {
        return EAGAIN;
    }
    runners[i].run = run;
    runners[i].arg = arg;
    const int error =
        pthread_create(thread, attributes, run_in_turn, &runners[i]);
    if (error == 0) {
        __atomic_fetch_add(&started, 1, __ATOMIC_RELAXED);
        make_ready(i);
    }
    return error;
}

UNSEEN static void reset_turns(void)
{
    steps = 0;
    for (int i = 0; i < RUNNERS; i++) {
        runners[i].not_before = 0;
    }
}

/* All on one processor, where it costs least to hand a turn on. */
static void make_turns(void)
{
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET((size_t)sched_getcpu(), &here);
    (void)sched_setaffinity(0, sizeof here, &here);
    for (int i = 0; i < RUNNERS; i++) {
        runners[i].turn = eventfd(0, EFD_CLOEXEC);
        if (runners[i].turn < 0) {
            fail("there are events");
        }
    }
    make_ready(0);
}

#endif
