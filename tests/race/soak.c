/*
 * soak.c - random programs on a group, while all goes wrong that may
 *
 *     soak [ROUNDS [SEED]]
 *
 * Each round is a program of 2 to 8 threads on one group. The group is private
 * or shared, in fresh memory full of garbage, or left over from the last round;
 * it is freed, unmapped or overwritten as soon as the contract allows it, by
 * the thread that the contract allows it. faults.h has what goes wrong.
 *
 *   leader   adds for all workers, waits, and adds again, up to three times
 *   worker   owns what the leader has added for it, does all that is legal
 *            with it, and counts it down
 *   waiter   waits in one of six ways; some give up, some try again
 *   guest    is not counted; comes and goes at any time by wg_try_add and wg_go
 *   task     was started by wg_go
 *
 * Checked in each round:
 *
 *   - a wait that returned true, and a wg_done that did, came after all that
 *     was counted before: the writes before those dones are there
 *   - no wait reports a timeout that began after the release, or in which the
 *     release came first
 *   - wg_try_add and wg_go fail only if the group is closed, and always then
 *   - nobody finds a counter below what it owns itself
 *   - one wg_done returned true for each time that the counter came to 0
 *   - one wake at most for each time, none if nobody was registered or slept
 *   - errno is as it was
 *   - at the end the counter is at 0, nobody is registered, and word is cleared
 *     or says that somebody sleeps, if a wait has timed out since it last was
 *   - nobody touches the group once it is gone
 *   - no wake-up is lost: there is always somebody who can go on, and nobody
 *     goes round in circles
 */
#include "faults.h"
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

enum {
    THREADS = PLAYERS,
    ADDS = 3,  /* by the leader */
    TURNS = 4, /* of a guest */
    TASKS = 4, /* in a round */
    PAGE = 4096
};
enum role { LEADER, WORKER, WAITER, GUEST, IDLE };
enum disposal { KEEP, POISON, FREE, UNMAP, DISPOSALS };

/* ---- The program's shape, set by the main thread between two rounds ---- */

static wg_t *wg;
static bool last;
static enum disposal disposal;
static enum role roles[THREADS];
static int units[THREADS]; /* of a worker, in each add */
static int adds;           /* by the leader */
static bool tries;         /* the leader adds by wg_try_add, at any time */
static bool polls;         /* nobody registers */
static bool only_dones;    /* no wg_go, and the counter falls by wg_done only */
static int closer;         /* the thread that closes the group, or -1 */
static int waiters, guests;

/* ---- What has happened so far in the program ---- */

/* Plain: only the group orders their reads after their writes. */
static bool written[ADDS + 1][THREADS]; /* by workers */
static bool written_by_guest[THREADS][TURNS];
static bool written_by_task[TASKS];
static bool written_before_close;

/* All others are atomic. */
static int added;    /* by the leader, how often */
static bool no_more; /* adds by the leader */
static int added_by_guest[THREADS];
static int tasks, counted_tasks[TASKS];
static int returned; /* waiters, over all adds */
static int over;     /* the last add that a wait has seen the end of */
static int users;    /* threads that are or may get inside a call, counted ones
                        left out: no wait returns before they are through */
static bool closed;  /* wg_close has returned */
static bool gave_up; /* a wait, since word was last 0 */
static bool was_asleep;       /* word said so when the program began */
static int true_dones, grown; /* grown: guests' and tasks' successes */

static int begun; /* rounds; what was set before is seen by all players */
static int ended; /* players of this round that are through */
static _Thread_local int self = -1; /* index of the thread; -1: a task */

#define get(object) __atomic_load_n(object, __ATOMIC_ACQUIRE)
#define set(object, value) __atomic_store_n(object, value, __ATOMIC_RELEASE)

/* What is known to be counted, before a call. */
struct known {
    int added, added_by_guest[THREADS];
    bool tasks[TASKS];
};

static void look_around(struct known *known)
{
    known->added = get(&added);
    for (int i = 0; i < THREADS; i++) {
        known->added_by_guest[i] = get(&added_by_guest[i]);
    }
    for (int i = 0; i < TASKS; i++) {
        known->tasks[i] = get(&counted_tasks[i]) != 0;
    }
}

/* After a call that says that all of it has been counted down. */
static void check_all_done(const struct known *known)
{
    bool all = true;
    for (int i = 0; i < THREADS; i++) {
        for (int a = 1; roles[i] == WORKER && a <= known->added; a++) {
            all = all && written[a][i];
        }
        for (int turn = 0; turn < known->added_by_guest[i]; turn++) {
            all = all && written_by_guest[i][turn];
        }
    }
    for (int i = 0; i < TASKS; i++) {
        all = all && (!known->tasks[i] || written_by_task[i]);
    }
    check(all, "returned after all dones");
}

/* ---- Calls, with what each has to keep and to return ---- */

/* Makes what follows hang on the seed, the round and this number only, and not
   on what the schedule has made of the last round. */
static void reseed(int part)
{
    random_state = seed + (uint64_t)get(&current_round) * 64 + (uint64_t)part;
    random_state = (uint64_t)random_below(UINT_MAX) << 32 ^ random_state;
}

static void before_call(void)
{
    if (one_in(4)) {
        pause_at_random();
    }
    errno = 1000 + self;
}

static void after_call(void)
{
    check(errno == 1000 + self, "errno is as it was");
}

static void add(int delta)
{
    before_call();
    wg_add(wg, delta);
    after_call();
}

static bool done(void)
{
    before_call();
    const bool result = wg_done(wg);
    after_call();
    return result;
}

static void done_by_scope(void)
{
    before_call();
    {
        WG_DEFER_DONE(wg);
        pause_at_random();
    }
    after_call();
}

static void close_group(void)
{
    if (!get(&closed)) {
        written_before_close = true;
    }
    before_call();
    wg_close(wg);
    after_call();
    set(&closed, true);
}

static bool may_close(void)
{
    return self >= 0 && self == closer && (tries || get(&added) == adds);
}

static bool try_add(int delta)
{
    const bool was_closed = get(&closed);
    before_call();
    adding = true;
    const bool result = wg_try_add(wg, delta);
    adding = false;
    after_call();
    count(&events[result ? TRIED : REFUSED]);
    check(!result || !was_closed, "wg_try_add fails on a closed group");
    check(result || written_before_close, "wg_try_add came after wg_close");
    return result;
}

static void task(void *arg);

static void go(void)
{
    const int slot = __atomic_fetch_add(&tasks, 1, __ATOMIC_RELAXED);
    if (slot >= TASKS || only_dones) {
        return;
    }
    const bool was_closed = get(&closed);
    pause_at_random();
    goes_wrong = false;
    adding = true;
    const int error = wg_go(wg, task, &written_by_task[slot]);
    adding = false;
    if (error != ECANCELED) { /* the counter was up, if only for a moment */
        count(&grown);
    }
    if (error == 0) {
        set(&counted_tasks[slot], 1);
        count(&events[WENT]);
        check(!was_closed && !goes_wrong, "wg_go fails where it has to");
    } else if (error == ECANCELED) {
        count(&events[GO_REFUSED]);
        check(written_before_close, "wg_go came after wg_close");
    } else {
        check(error == (goes_wrong ? error : 0) && !was_closed &&
                  (error == ENOMEM || error == EAGAIN),
              "wg_go fails for a reason");
    }
}

/* ---- Waits ---- */

enum way { WAIT, WAIT_LONG, WAIT_FOR, WAIT_UNTIL, POLL, WAYS };

static bool wait_until(int64_t deadline_ns)
{
    const struct timespec deadline = {(time_t)(deadline_ns / 1000000000),
                                      (long)(deadline_ns % 1000000000)};
    return wg_wait_until(wg, &deadline);
}

static bool wait_once(enum way way)
{
    const int64_t ns = (int64_t)random_below(1000) - 100;
    const int64_t deadline_ns = now_ns() + ns;
    bool result = true;
    timed_out = released = false;
    before_call();
    switch (way) {
    case WAIT:
        wg_wait(wg);
        break;
    case WAIT_LONG:
        check((ns & 1) ? wg_wait_for(wg, INT64_MAX - 1) : wait_until(INT64_MAX),
              "a wait without a limit does not time out");
        break;
    case WAIT_FOR:
        result = wg_wait_for(wg, ns);
        break;
    case WAIT_UNTIL:
        result = wait_until(deadline_ns);
        break;
    default:
        result = wg_try_wait(wg);
    }
    after_call();
    check(result || !released, "a wait that was released in time returns true");
    check(result || way == POLL || now_ns() >= deadline_ns,
          "a wait lasts until its deadline");
    if (timed_out && !result) {
        set(&gave_up, true);
    }
    count(&events[result ? REACHED : GAVE_UP]);
    return result;
}

/* Until it is true, or until it has given up. */
static bool wait_for_all(bool gives_up)
{
    const enum way way = polls ? POLL : (enum way)random_below(WAYS);
    for (;;) {
        struct known known;
        look_around(&known);
        const bool is_over = known.added > 0 && get(&over) >= known.added;
        if (wait_once(way)) {
            check_all_done(&known);
            if (guests == 0 && !tries) {
                set(&over, known.added);
            }
            return true;
        }
        check(!is_over, "a wait that begins after the release returns true");
        if (gives_up && one_in(2)) {
            return false;
        }
        give_way();
    }
}

/* Whether nothing can begin a round now that does not expect a wait. */
static bool may_wait(void)
{
    return tries || (adds == 1 && get(&added) == 1);
}

/* ---- Who owns units of the counter ---- */

/* Does with them what it likes, and returns how many they are then. */
static int use_units(int owned)
{
    for (int turns = (int)random_below(4); turns > 0; turns--) {
        const int more = 1 + (int)random_below(3);
        switch (random_below(10)) {
        case 0:
            add(more);
            owned += more;
            break;
        case 1:
            if (!try_add(more)) {
                break;
            }
            owned += more;
            break;
        case 2:
            add(1 - owned);
            owned = 1;
            break;
        case 3:
            if (owned > 1) {
                check(!done(), "wg_done above 0 returns false");
                owned--;
            }
            break;
        case 4:
            if (owned > 1 && !only_dones) {
                done_by_scope();
                owned--;
            }
            break;
        case 5:
            add(0);
            break;
        case 6:
            check(!wait_once(POLL), "wg_try_wait above 0 returns false");
            break;
        case 7:
            if (!polls && (tries || (self >= 0 && roles[self] == WORKER))) {
                has_to_time_out = true;
                check(!wait_once(one_in(2) ? WAIT_FOR : WAIT_UNTIL),
                      "a wait above 0 times out");
                has_to_time_out = false;
            }
            break;
        case 8:
            go();
            break;
        default:
            if (may_close()) {
                close_group();
            }
        }
        before_call();
        const int seen = wg_count(wg);
        after_call();
        check(seen >= owned, "the counter has at least what one thread owns");
    }
    return owned;
}

static void count_down(int owned)
{
    struct known known;
    look_around(&known);
    const unsigned way = only_dones ? 0 : random_below(4);
    if (way == 1) {
        add(-owned);
        return;
    }
    if (way == 2 && owned > 1) {
        add(1 - owned);
        owned = 1;
    }
    for (; owned > 1; owned--) {
        check(!done(), "wg_done above 0 returns false");
    }
    if (way == 3) {
        done_by_scope();
    } else if (done()) {
        count(&true_dones);
        count(&events[LAST_DONE]);
        check_all_done(&known);
    }
}

static void work(int owned, bool *slot)
{
    owned = use_units(owned);
    *slot = true;
    count_down(owned);
}

/* The last unit is the header's to count down. */
static void task(void *slot)
{
    reseed(THREADS + 2 + (int)((bool *)slot - written_by_task));
    const int owned = use_units(1);
    *(bool *)slot = true;
    add(1 - owned);
}

/* ---- The end of the group ---- */

/* By the last that uses it. The others may be counted: they are waited for. */
static void dispose_of_group(bool has_waited)
{
    if (!has_waited || guests > 0 || tries) {
        (void)wait_for_all(false);
    }
    const uint64_t state = LOAD(&wg->state, __ATOMIC_RELAXED);
    const uint32_t word = LOAD(&wg->word, __ATOMIC_RELAXED);
    const uint64_t mark = state & WG_MARK_;
    check(state >> 32 == 0, "the counter is at 0");
    check((state & WG_WAITERS_) == 0, "no waiter is left");
    check((state >> 31 & 1) == get(&closed), "closed if it was closed");
    check(is_shared ? mark == WG_MARK_SHARED_
                    : (mark & WG_MARK_ODD_) != 0 || get(&added) == 0,
          "the mark is that of a shared or a private group");
    check(word == WG_AWAKE_ || (word == WG_ASLEEP_ && get(&gave_up)),
          "word is cleared again");
    set(&gave_up, word == WG_ASLEEP_);
    switch (disposal) {
    case UNMAP:
        munmap(wg, PAGE);
        break;
    case FREE:
        free(wg);
        break;
    case POISON:
        memset((void *)wg, 0xa5, sizeof *wg);
        break;
    default:
        break;
    }
    __atomic_store_n(&disposed, current_round, __ATOMIC_RELAXED);
}

/* Returns whether nobody else uses the group any more. */
static bool stop_using(void)
{
    return __atomic_fetch_sub(&users, 1, __ATOMIC_ACQ_REL) == 1;
}

/* ---- The threads ---- */

static void lead(void)
{
    bool has_waited = false;
    int total = 0;
    for (int i = 0; i < THREADS; i++) {
        total += units[i];
    }
    for (int a = 1; a <= adds; a++) {
        if (tries) {
            if (!try_add(total)) {
                break;
            }
        } else {
            const int first = 1 + (int)random_below((unsigned)total);
            add(first);
            add(total - first);
        }
        set(&added, a);
        has_waited = false;
        if (!tries || one_in(2)) {
            has_waited = wait_for_all(false);
        }
        while (!tries && a < adds && get(&returned) < a * waiters) {
            give_way();
        }
    }
    set(&no_more, true);
    if (may_close()) {
        close_group();
    }
    if (stop_using()) {
        dispose_of_group(has_waited);
    }
}

/* Returns whether the leader has added for the a-th time. */
static bool await_add(int a)
{
    while (get(&added) < a) {
        if (get(&no_more)) {
            return get(&added) >= a;
        }
        give_way();
    }
    return true;
}

static void wait_on_each_add(void)
{
    bool has_waited = false;
    for (int a = 1; a <= adds; a++) {
        if (!tries && !await_add(a)) {
            break;
        }
        has_waited = wait_for_all(true);
        if (may_close()) {
            close_group();
        }
        __atomic_fetch_add(&returned, 1, __ATOMIC_RELEASE);
    }
    if (stop_using()) {
        dispose_of_group(has_waited);
    }
}

static void visit(void)
{
    int turn = 0;
    for (int turns = 1 + (int)random_below(TURNS); turns > 0; turns--) {
        const int delta = 1 + (int)random_below(3);
        switch (random_below(8)) {
        case 0:
            if (may_close()) {
                close_group();
            }
            go();
            break;
        case 1:
            (void)wait_once(POLL);
            break;
        case 2:
            if (may_wait()) {
                (void)wait_for_all(true);
            }
            break;
        case 3:
            go();
            break;
        default:
            if (!try_add(delta)) {
                break;
            }
            count(&grown);
            set(&added_by_guest[self], turn + 1);
            if (turns == 1 && one_in(2)) {
                /* What it does from here on is counted. */
                const bool is_last = stop_using();
                count(&events[LEFT_EARLY]);
                work(delta, &written_by_guest[self][turn]);
                if (is_last) {
                    dispose_of_group(false);
                }
                return;
            }
            work(delta, &written_by_guest[self][turn++]);
        }
    }
    if (stop_using()) {
        dispose_of_group(false);
    }
}

static void play(void)
{
    switch (roles[self]) {
    case LEADER:
        lead();
        break;
    case WORKER:
        for (int a = 1; a <= adds && await_add(a); a++) {
            work(units[self], &written[a][self]);
        }
        break;
    case WAITER:
        wait_on_each_add();
        break;
    case GUEST:
        visit();
        break;
    default:
        break;
    }
}

static void *run(void *index)
{
    self = myself = (int)(intptr_t)index;
    for (bool is_last = false; !is_last;) {
        await_turn();
        (void)get(&begun);
        is_last = last;
        if (!is_last) {
            reseed(self);
            play();
        }
        __atomic_fetch_add(&ended, 1, __ATOMIC_RELEASE);
        be_absent();
    }
    return NULL;
}

/* ---- The main thread, which is the leader ---- */

static void make_group(void)
{
    const size_t size = sizeof(wg_t);
    calm = true; /* nobody else is there */
    disposal = (enum disposal)random_below(DISPOSALS);
    is_shared = one_in(3);
    void *const memory =
        disposal == UNMAP
            ? mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                   (is_shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1,
                   0)
            : malloc(size);
    check(memory != NULL && memory != MAP_FAILED, "there is memory");
    wg = memory;
    if (!is_shared && one_in(4)) {
        memset(memory, 0, size); /* a valid group */
    } else {
        for (size_t i = 0; i < size; i++) {
            ((unsigned char *)memory)[i] = (unsigned char)random_below(256);
        }
        is_shared ? wg_init_shared(wg) : wg_init(wg);
    }
    gave_up = false;
}

static enum role role_of(int thread, bool has_guests)
{
    if (thread == 0) {
        return LEADER;
    }
    if (thread > 1 && has_guests && one_in(2)) {
        return GUEST;
    }
    return thread == 1 || one_in(2) ? WORKER : WAITER;
}

static void make_program(void)
{
    const int threads = 2 + (int)random_below(THREADS - 1);
    memset(written, 0, sizeof written);
    memset(written_by_guest, 0, sizeof written_by_guest);
    memset(written_by_task, 0, sizeof written_by_task);
    memset(added_by_guest, 0, sizeof added_by_guest);
    memset(counted_tasks, 0, sizeof counted_tasks);
    memset(units, 0, sizeof units);
    written_before_close = no_more = closed = false;
    added = tasks = returned = over = true_dones = grown = waiters = guests = 0;
    sleeps = wakes = 0;

    adds = 1 + (int)random_below(ADDS);
    tries = one_in(3);
    polls = one_in(8);
    late = one_in(4);
    calm = one_in(4);
    stride = 1U << 2 * random_below(4);
    only_dones = one_in(2);
    closer = one_in(2) ? (int)random_below(THREADS) : -1;
    const bool has_guests = one_in(2);
    for (int i = 0; i < THREADS; i++) {
        roles[i] = i < threads ? role_of(i, has_guests) : IDLE;
        waiters += roles[i] == WAITER;
        guests += roles[i] == GUEST;
        units[i] = roles[i] == WORKER ? 1 + (int)random_below(3) : 0;
    }
    users = 1 + waiters + guests;
}

/* All threads are through with the program. */
static void check_program(void)
{
    const int rounds = added + grown; /* or less: they may have met */
    check(disposed == current_round,
          "the last to use the group disposed of it");
    check(wakes <= (polls ? 0 : rounds), "one wake at most, if waited on");
    check(wakes <= sleeps + was_asleep, "no wake if nobody has slept");
    check(true_dones <= rounds, "one true wg_done at most");
    check(!only_dones || rounds == 0 || true_dones > 0,
          "one true wg_done at least");
    check(!only_dones || tries || guests > 0 || true_dones == rounds,
          "one true wg_done for each round");
    if (disposal == KEEP && !closed && !one_in(8)) {
        return;
    }
    if (disposal == POISON) {
        for (size_t i = 0; i < sizeof *wg; i++) {
            check(((const unsigned char *)wg)[i] == 0xa5,
                  "nobody touched the dead group");
        }
    }
    if (disposal == KEEP || disposal == POISON) {
        free(wg);
    }
    wg = NULL;
}

/* Lets all play that have a part, and itself, until all are through. */
static void run_players(void)
{
    int players = 0;
    ended = 0;
    set(&begun, begun + 1);
    for (int i = 1; i < THREADS; i++) {
        if (last || roles[i] != IDLE) {
            make_ready(i);
            players++;
        }
    }
    if (!last) {
        reseed(self);
        play();
    }
    while (get(&ended) < players || get(&started) > 0) {
        give_way();
    }
}

static void run_program(void)
{
    reset_turns();
    if (wg == NULL) {
        reseed(THREADS);
        make_group();
    }
    reseed(THREADS + 1);
    make_program();
    was_asleep = gave_up;
    run_players();
    check_program();
}

/* ---- The end of a program that fails ---- */

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || \
    defined(SANITIZED)
void __sanitizer_set_death_callback(void (*callback)(void));
const char *__tsan_default_options(void);

const char *__tsan_default_options(void)
{
    return "halt_on_error=1";
}

/* The sanitizer may hold a lock, for which its own write or free would wait. */
static void die(void)
{
    static const char report[] = ": the sanitizer's report is above\n";
    (void)real_syscall(SYS_write, 2, where, where_length);
    (void)real_syscall(SYS_write, 2, report, sizeof report - 1);
}

static void report_crashes(void)
{
    __sanitizer_set_death_callback(die);
}
#else
static void crash(int signal)
{
    (void)signal;
    fail("nobody touches the group once it is gone, or aborts");
}

static void report_crashes(void)
{
    signal(SIGSEGV, crash);
    signal(SIGBUS, crash);
    signal(SIGABRT, crash);
}
#endif

int main(int argc, char **argv)
{
    char *end_of_rounds = "", *end_of_seed = "";
    const long given = argc > 1 ? strtol(argv[1], &end_of_rounds, 10) : 10000;
    const int rounds = given > 0 && given < INT_MAX ? (int)given : 0;
    pthread_t threads[THREADS];

    seed = argc > 2 ? strtoull(argv[2], &end_of_seed, 0)
                    : (unsigned long long)time(NULL) << 16 ^
                          (unsigned long long)getpid();
    if (rounds < 1 || argc > 3 || *end_of_rounds != '\0' ||
        *end_of_seed != '\0') {
        fprintf(stderr, "usage: soak [ROUNDS [SEED]], two numbers\n");
        return 2;
    }
    begin_round(0);
    printf("    %d rounds, seed %llu\n", rounds, seed);
    fflush(stdout);
    report_crashes();
    make_turns();
    self = 0;
    for (int i = 1; i < THREADS; i++) {
        check(pthread_create(&threads[i], NULL, run, (void *)(intptr_t)i) == 0,
              "there are threads");
    }
    for (int i = 1; i <= rounds; i++) {
        begin_round(i);
        run_program();
    }
    last = true;
    run_players();
    for (int i = 1; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    free(wg);
    print_what_has_happened(rounds >= 2000);
    return 0;
}
