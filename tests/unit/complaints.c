/* What each call does, or complains of, in each state that a group can be in:
   all pairs are tried, against rules that are those of the manual. Where
   several complaints fit, the first of the manual's list has to be made, with
   the counter and the waiters that the call has seen. */
#define _GNU_SOURCE
#include "check.h"
#include "script.h"
#include "wg.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const uint64_t closed_bit = (uint64_t)1 << 31;

/* ---- The states ---- */

struct state {
    /* NONE and GARBAGE have no mark, but the second has a byte that never is
       what it is there. */
    enum { NONE, GARBAGE, HERE, SHARED, ELSEWHERE, EVEN, MARKS } mark;
    int64_t counter; /* an int32_t, but for sums */
    bool closed;
    uint32_t waiters;
};

static wg_t wg;

/* Each bit in turn in which the mark of another address may be another, and
   each byte in which garbage can be told: the word's last, and what is always
   0. */
static int other_bit = 20, garbage_byte = 11;

static uint64_t mark_of_another(void)
{
    const uint64_t mark = wg_mark_(&wg) ^ (uint64_t)1 << other_bit;
    /* An address may have a mark that is one bit from what no address has. */
    return mark != 0 && mark != WG_MARK_SHARED_ ? mark
                                                : wg_mark_(&wg) ^ WG_MARK_;
}

static uint64_t bits_of(struct state state)
{
    const uint64_t marks[MARKS] = {
        0, 0, wg_mark_(&wg), WG_MARK_SHARED_, mark_of_another(), 6 << 20};
    return ((uint64_t)state.counter << 32) | (state.closed ? closed_bit : 0) |
           marks[state.mark] | state.waiters;
}

/* ---- The calls ---- */

struct call {
    const char *name;
    enum {
        ADD,
        DONE,
        WAIT,
        WAIT_FOR,
        WAIT_UNTIL,
        TRY_WAIT,
        COUNT,
        CLOSE,
        TRY_ADD,
        GO
    } of;
    int64_t argument; /* of wg_wait_until: from now on */
};

enum { bad_ns = -4711 };

static const int64_t now = 5000000000;

static const struct call calls[] = {
    {"wg_add(1)", ADD, 1},
    {"wg_add(2)", ADD, 2},
    {"wg_add(INT32_MAX)", ADD, INT32_MAX},
    {"wg_add(0)", ADD, 0},
    {"wg_add(-1)", ADD, -1},
    {"wg_add(-2)", ADD, -2},
    {"wg_add(INT_MIN)", ADD, INT_MIN},
    {"wg_done()", DONE, -1},
    {"wg_wait()", WAIT, INT64_MAX},
    {"wg_wait_for(1)", WAIT_FOR, 1},
    {"wg_wait_for(0)", WAIT_FOR, 0},
    {"wg_wait_for(INT64_MIN)", WAIT_FOR, INT64_MIN},
    {"wg_wait_until(now + 1)", WAIT_UNTIL, 1},
    {"wg_wait_until(now)", WAIT_UNTIL, 0},
    {"wg_wait_until(now - 1)", WAIT_UNTIL, -1},
    {"wg_wait_until(a bad tv_nsec)", WAIT_UNTIL, bad_ns},
    {"wg_try_wait()", TRY_WAIT, 0},
    {"wg_count()", COUNT, 0},
    {"wg_close()", CLOSE, 0},
    {"wg_try_add(1)", TRY_ADD, 1},
    {"wg_try_add(2)", TRY_ADD, 2},
    {"wg_try_add(INT32_MAX)", TRY_ADD, INT32_MAX},
    {"wg_try_add(0)", TRY_ADD, 0},
    {"wg_try_add(-1)", TRY_ADD, -1},
    {"wg_try_add(INT_MIN)", TRY_ADD, INT_MIN},
    {"wg_go()", GO, 1},
};

/* The system has no thread for wg_go: it is to count down again. */
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *arg)
{
    (void)thread, (void)attr, (void)run, (void)arg;
    return EAGAIN;
}

static struct call call;
static int64_t result;

static void make_the_call(void)
{
    const int64_t then = call.of == WAIT_UNTIL ? now + call.argument : 0;
    const int delta = (int)call.argument;
    struct timespec deadline = {(time_t)(then / 1000000000),
                                (long)(then % 1000000000)};
    if (call.argument == bad_ns)
        deadline = (struct timespec){INT32_MAX, 1000000000};
    switch (call.of) {
    case ADD:
        wg_add(&wg, delta);
        break;
    case DONE:
        result = wg_done(&wg);
        break;
    case WAIT:
        wg_wait(&wg);
        break;
    case WAIT_FOR:
        result = wg_wait_for(&wg, call.argument);
        break;
    case WAIT_UNTIL:
        result = wg_wait_until(&wg, &deadline);
        break;
    case TRY_WAIT:
        result = wg_try_wait(&wg);
        break;
    case COUNT:
        result = wg_count(&wg);
        break;
    case CLOSE:
        wg_close(&wg);
        break;
    case TRY_ADD:
        result = wg_try_add(&wg, delta);
        break;
    case GO:
        result = wg_go(&wg, NULL, NULL);
        break;
    }
}

/* ---- The rules ---- */

enum { MOST_WAITERS = 1048575 };

static const char lost[] =
    "copied or moved after first use, or never initialised";

/* Whether the call may have to wait: the others only look. */
static bool waits(struct state state)
{
    return state.counter != 0 && (call.of == WAIT || ((call.of == WAIT_FOR ||
                                                       call.of == WAIT_UNTIL) &&
                                                      call.argument > 0));
}

static bool is_leaving(struct state state)
{
    return state.counter == 0 && state.waiters > 0;
}

static bool counts_down(void)
{
    return call.of == DONE || (call.of == ADD && call.argument < 0);
}

static bool is_lost(struct state state)
{
    if (state.mark == HERE || state.mark == SHARED)
        return false;
    if (state.mark == ELSEWHERE || state.mark == EVEN)
        return true;
    /* Without a first add, there is nothing to count down. No such call may
       look at the rest, as that may be gone. */
    if (counts_down())
        return state.counter > 0 || state.waiters > 0;
    return state.mark == GARBAGE || is_leaving(state);
}

/* The first complaint that fits, NULL if none does. *seen is what it says the
   call has seen: where an add was made before it is complained of, the sum. */
static const char *complaint(struct state state, struct state *seen)
{
    const bool adds = call.of == ADD || call.of == DONE;
    const bool tries = call.of == TRY_ADD || call.of == GO;
    const int64_t delta = adds || tries ? call.argument : 0;
    const int64_t sum = state.counter + delta;

    *seen = state;
    if (call.of == TRY_ADD && delta < 1)
        return "invalid argument: wg_try_add of less than 1";
    if (call.of == WAIT_UNTIL && call.argument == bad_ns)
        return "invalid argument: tv_nsec is not in 0..999999999";
    if (!waits(state) && !tries && call.of != CLOSE && delta == 0)
        return NULL; /* it only looks, or does nothing at all */
    if (is_lost(state))
        return lost;
    if (adds && sum < 0) {
        seen->counter = sum;
        return "negative counter";
    }
    if (state.counter < 0)
        return "negative counter";
    if (tries && state.closed)
        return NULL; /* it returns false */
    if (sum > INT32_MAX)
        return "counter overflow";
    if (adds && state.counter == 0 && (state.closed || state.waiters > 0)) {
        seen->counter = sum;
        return state.closed ? "wg_add on a closed group"
                            : "wg_add called concurrently with wg_wait";
    }
    if (waits(state) && state.waiters == MOST_WAITERS)
        return "too many waiters";
    return NULL;
}

/* ---- A try ---- */

static struct state before; /* the call */

static const char *in_words(void)
{
    static const char *const marks[MARKS] = {"no mark",        "garbage",
                                             "its mark",       "shared",
                                             "another's mark", "an even mark"};
    static char words[128];
    snprintf(words, sizeof words, "%s at %d%s, %u waiters, word %u, %s",
             call.name, (int)before.counter, before.closed ? " (closed)" : "",
             before.waiters, (unsigned)atomic_load(&wg.word),
             marks[before.mark]);
    return words;
}

static void make_group(wg_t *group, struct state state, uint32_t word)
{
    memset((void *)group, 0, sizeof *group);
    atomic_store(&group->state, bits_of(state));
    atomic_store(&group->word, word);
    if (state.mark == GARBAGE)
        ((char *)group)[garbage_byte] = 0x40;
}

/* Fails unless all 16 bytes are so. */
static void expect_group(struct state state, uint32_t word)
{
    wg_t expected;
    make_group(&expected, state, word);
    if (memcmp(&wg, &expected, sizeof wg) != 0)
        fail_msg("%s: the state is 0x%llx and the word %u, expected 0x%llx, %u",
                 in_words(), (unsigned long long)atomic_load(&wg.state),
                 (unsigned)atomic_load(&wg.word),
                 (unsigned long long)bits_of(state), (unsigned)word);
}

/* To one who waits: the counter goes to 0, or time is up. */
static bool too_late;

static int release(void)
{
    struct state registered = before;
    registered.waiters++;
    expect_group(registered, 1);
    assert_int_equal(script.expected, 1);
    if (too_late)
        return ETIMEDOUT;
    registered.counter = 0;
    if (before.mark == NONE)
        registered.mark = HERE; /* the first add has returned */
    atomic_store(&wg.state, bits_of(registered));
    atomic_store(&wg.word, 2);
    return 0;
}

/* To one who naps: the waiters leave. */
static int leave(void)
{
    struct state left = before;
    expect_group(before, 2);
    assert_int_equal(script.expected, 2);
    left.waiters = 0;
    atomic_store(&wg.state, bits_of(left));
    atomic_store(&wg.word, 0);
    return ETIMEDOUT;
}

/* The call complains of nothing. What does it do? */
static void expect_effect(uint32_t word)
{
    struct state after = before;
    const bool asleep = word == 1;
    int wakes = 0, sleeps = 0;
    int64_t expected = 0, deadline = 0;
    switch (call.of) {
    case ADD:
    case DONE:
        after.counter += call.argument;
        expected = call.of == DONE && after.counter == 0;
        if (before.mark == NONE && call.argument != 0)
            after.mark = HERE;
        if (before.counter > 0 && after.counter == 0 && before.waiters > 0) {
            word = 2;
            wakes = asleep;
        }
        break;
    case WAIT:
    case WAIT_FOR:
    case WAIT_UNTIL:
        expected = call.of != WAIT && before.counter == 0;
        if (waits(before)) {
            sleeps = 1;
            deadline = call.of == WAIT ? INT64_MAX : now + call.argument;
            word = 1;
        }
        if (waits(before) && !too_late) {
            after.counter = 0;
            if (before.mark == NONE)
                after.mark = HERE;
            expected = call.of != WAIT;
            word = before.waiters > 0 ? 2 : 0; /* the last one clears it */
        }
        break;
    case TRY_WAIT:
        expected = before.counter == 0;
        break;
    case COUNT:
        expected = before.counter;
        break;
    case CLOSE:
        after.closed = true;
        break;
    case TRY_ADD:
    case GO:
        expected = call.of == GO ? ECANCELED : false;
        if (before.closed)
            break;
        if (is_leaving(before)) {
            sleeps = 1;
            deadline = now + 50000;
            word = after.waiters = 0;
        }
        after.counter += call.of == GO ? 0 : call.argument;
        expected = call.of == GO ? EAGAIN : true;
        if (before.mark == NONE)
            after.mark = HERE;
        break;
    }
    expect_group(after, word);
    if (result != expected || script.waits != sleeps || script.wakes != wakes ||
        (call.of != GO && errno != 4711))
        fail_msg("%s: returned %lld, slept %d times, woke %d times, errno %d",
                 in_words(), (long long)result, script.waits, script.wakes,
                 errno);
    if (sleeps + wakes > 0) {
        assert_ptr_equal(script.word, &wg.word);
        assert_int_equal(script.shared, before.mark == SHARED);
    }
    assert_true(sleeps == 0 || script.deadline_ns == deadline);
    /* The clock is read once by what has to wait until a time, or to find out
       whether that has come. */
    const bool timed =
        call.of == WAIT_FOR ? call.argument > 0 : call.of == WAIT_UNTIL;
    assert_int_equal(script.clocks,
                     timed ? before.counter != 0 : sleeps && call.of != WAIT);
    assert_int_equal(script.pauses, 0); /* with a seam, unless WG_SPIN is set */
}

static void try_once(uint32_t word)
{
    struct state seen;
    const char *const text = complaint(before, &seen);
    char expected[256] = "";
    if (text != NULL)
        snprintf(expected, sizeof expected,
                 "wg: %s (wg %p, counter %d, waiters %u)\n", text, (void *)&wg,
                 (int)seen.counter, seen.waiters);
    if (before.mark == ELSEWHERE)
        other_bit = other_bit < 30 ? other_bit + 1 : 20;
    if (before.mark == GARBAGE)
        garbage_byte = garbage_byte < 15 ? garbage_byte + 1 : 11;
    script_reset();
    script.now_ns = now;
    script.on_wait = is_leaving(before) ? leave : release;
    make_group(&wg, before, word);
    result = 0;
    errno = 4711;
    const char *const line = line_of(make_the_call);
    if (strcmp(line, expected) != 0)
        fail_msg("%s: wrote \"%s\", expected \"%s\"", in_words(), line,
                 expected);
    if (text == NULL)
        expect_effect(word);
}

static void try_it(uint32_t word)
{
    too_late = false;
    try_once(word);
    too_late = true;
    if (waits(before) && call.of != WAIT)
        try_once(word);
}

static void try_each_state(void)
{
    static const int32_t counters[] = {
        INT32_MIN, -1, 0, 1, 2, 3, INT32_MAX - 2, INT32_MAX - 1, INT32_MAX};
    static const uint32_t waiters[] = {0, 1, 2, MOST_WAITERS - 1, MOST_WAITERS};
    enum {
        COUNTERS = sizeof counters / sizeof *counters,
        WAITERS = sizeof waiters / sizeof *waiters
    };
    for (unsigned i = 0; i < MARKS * 2 * COUNTERS * WAITERS; i++) {
        unsigned rest = i;
        before.mark = rest % MARKS, rest /= MARKS;
        before.closed = rest % 2, rest /= 2;
        before.counter = counters[rest % COUNTERS], rest /= COUNTERS;
        before.waiters = waiters[rest];
        /* Two sums below 0 that no int can hold: what then? */
        if (before.counter < 0 && call.of <= DONE &&
            before.counter + call.argument < INT32_MIN)
            continue;
        if (is_leaving(before)) {
            try_it(2);
        } else {
            try_it(0); /* nobody is asleep */
            try_it(1);
        }
    }
}

static void each_call_in_each_state_does_what_the_manual_says(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        call = calls[i];
        try_each_state();
    }
}

/* ---- What waits and naps complain of later ---- */

static void expect_line(const char *text, const char *numbers,
                        void (*misuse)(void))
{
    char expected[256];
    const char *const line = line_of(misuse);
    snprintf(expected, sizeof expected, "wg: %s (wg %p, %s)\n", text,
             (void *)&wg, numbers);
    assert_string_equal(line, expected);
}

/* Makes the group, with others who wait, and the hook. */
static void set_up(struct state state, uint32_t word, int (*on_wait)(void))
{
    script_reset();
    script.on_wait = on_wait;
    make_group(&wg, state, word);
}

static const struct state three_wait_for_two = {HERE, 2, false, 3};
static const struct state three_leave = {HERE, 0, false, 3};

static void wait_for_wg(void)
{
    wg_wait(&wg);
}

static void wait_long_for_wg(void)
{
    (void)!wg_wait_for(&wg, 1000);
}

static void wait_until_2_s(void)
{
    (void)!wg_wait_until(&wg, &(struct timespec){2, 0});
}

static void try_add_one(void)
{
    result = wg_try_add(&wg, 1);
}

static void go(void)
{
    result = wg_go(&wg, NULL, NULL);
}

static struct state found; /* when it wakes up, together with this word */
static uint32_t found_word;

static int find_it(void)
{
    atomic_store(&wg.state, bits_of(found));
    atomic_store(&wg.word, found_word);
    return 0;
}

static void expect_when_it_wakes(struct state state, uint32_t word,
                                 const char *text, const char *numbers)
{
    static void (*const waits_of_all_kinds[])(void) = {
        wait_for_wg, wait_long_for_wg, wait_until_2_s};
    for (int i = 0; i < 3; i++) {
        set_up(three_wait_for_two, 0, find_it);
        found = state;
        found_word = word;
        expect_line(text, numbers, waits_of_all_kinds[i]);
        assert_int_equal(script.waits, 1);
    }
}

static void a_released_wait_finds_what_has_become_of_the_group(void **state)
{
    static const char reused[] = "reused before previous wg_wait has returned";
    const struct state copied = {ELSEWHERE, 1, false, 4};
    const struct state copied_below_0 = {ELSEWHERE, -2, true, 4};
    const struct state below_0 = {HERE, -2, true, 4};
    const struct state next_round = {HERE, 5, false, 4};
    const struct state next_closed = {SHARED, INT32_MAX, true, 1};
    (void)state;
    expect_when_it_wakes(copied, 2, lost, "counter 1, waiters 4");
    expect_when_it_wakes(copied_below_0, 2, lost, "counter -2, waiters 4");
    expect_when_it_wakes(below_0, 2, "negative counter",
                         "counter -2, waiters 4");
    expect_when_it_wakes(next_round, 2, reused, "counter 5, waiters 4");
    expect_when_it_wakes(next_closed, 2, reused,
                         "counter 2147483647, waiters 1");
    /* No release leaves such a word. */
    expect_when_it_wakes(next_round, 3, lost, "counter 5, waiters 4");
    expect_when_it_wakes(below_0, UINT32_MAX, lost, "counter -2, waiters 4");
}

static void a_nap_finds_what_has_become_of_the_group(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        void (*const try)(void) = i == 0 ? try_add_one : go;
        set_up(three_leave, 2, find_it);
        found_word = 0;
        found = (struct state){ELSEWHERE, -1, true, 3};
        expect_line(lost, "counter -1, waiters 3", try);
        set_up(three_leave, 2, find_it);
        found = (struct state){HERE, -1, true, 3};
        expect_line("negative counter", "counter -1, waiters 3", try);
        set_up(three_leave, 2, find_it);
        found = (struct state){HERE, INT32_MAX, false, 0};
        expect_line("counter overflow", "counter 2147483647, waiters 0", try);
        set_up(three_leave, 2, find_it);
        found = (struct state){HERE, 0, true, 2};
        result = 4711;
        assert_string_equal(line_of(try), ""); /* closed meanwhile */
        assert_int_equal(result, i == 0 ? false : ECANCELED);
        assert_int_equal(script.waits, 1);
        assert_true(atomic_load(&wg.state) == bits_of(found));
    }
}

static void count_two_down(void)
{
    wg_add(&wg, -2);
}

/* A waiter of version 1 leaves something there, and would not hear of it. */
static void a_release_finds_garbage_beside_the_waiters(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * 3; i++) {
        const struct state shared = {SHARED, 2, false, 3};
        set_up(i % 2 ? shared : three_wait_for_two, 1, NULL);
        wg.spare[i / 2] = 1;
        expect_line(lost, "counter 2, waiters 3", count_two_down);
        assert_int_equal(script.wakes, 0);
        assert_int_equal(atomic_load(&wg.word), 1);
    }
}

/* ---- A system that refuses ---- */

static const int refusals[] = {-1, -2, -4711, INT32_MIN};
static int refusal;

static int refuse(void)
{
    return refusal;
}

static const char no_sleep[] =
    "futex wait failed: EFAULT, EINVAL, ENOSYS or EPERM";
static const char no_clock[] = "clock failed: CLOCK_MONOTONIC cannot be read";

static void a_refused_sleep_is_fatal_to_whoever_asks(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        refusal = refusals[i];
        set_up(three_wait_for_two, 0, refuse);
        expect_line(no_sleep, "counter 2, waiters 4", wait_for_wg);
        set_up(three_wait_for_two, 0, refuse);
        expect_line(no_sleep, "counter 2, waiters 4", wait_long_for_wg);
        set_up(three_wait_for_two, 1, refuse);
        expect_line(no_sleep, "counter 2, waiters 4", wait_until_2_s);
        set_up(three_leave, 2, refuse);
        expect_line(no_sleep, "counter 0, waiters 3", try_add_one);
        set_up(three_leave, 2, refuse);
        expect_line(no_sleep, "counter 0, waiters 3", go);
    }
}

static void a_refused_clock_is_fatal_to_whoever_asks(void **state)
{
    static const int64_t times[] = {-1, -2, -4711, INT64_MIN};
    (void)state;
    for (int i = 0; i < 4; i++) {
        set_up(three_wait_for_two, 0, NULL);
        script.now_ns = times[i];
        expect_line(no_clock, "counter 2, waiters 3", wait_long_for_wg);
        set_up(three_wait_for_two, 0, NULL);
        script.now_ns = times[i];
        expect_line(no_clock, "counter 2, waiters 3", wait_until_2_s);
        set_up(three_leave, 2, NULL);
        script.now_ns = times[i];
        expect_line(no_clock, "counter 0, waiters 3", try_add_one);
        set_up(three_leave, 2, NULL);
        script.now_ns = times[i];
        expect_line(no_clock, "counter 0, waiters 3", go);
    }
}

static void what_is_wrong_with_the_group_is_said_before_that(void **state)
{
    static void (*const timed_waits[])(void) = {wait_long_for_wg,
                                                wait_until_2_s};
    (void)state;
    for (int i = 0; i < 2; i++) {
        set_up((struct state){ELSEWHERE, -1, false, 3}, 0, NULL);
        script.now_ns = -1;
        expect_line(lost, "counter -1, waiters 3", timed_waits[i]);
        set_up((struct state){ELSEWHERE, 1, false, 3}, 0, NULL);
        script.now_ns = -1;
        expect_line(lost, "counter 1, waiters 3", timed_waits[i]);
        set_up((struct state){HERE, -1, false, 3}, 0, NULL);
        script.now_ns = -1;
        expect_line("negative counter", "counter -1, waiters 3",
                    timed_waits[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_call_in_each_state_does_what_the_manual_says),
        TEST(a_released_wait_finds_what_has_become_of_the_group),
        TEST(a_nap_finds_what_has_become_of_the_group),
        TEST(a_release_finds_garbage_beside_the_waiters),
        TEST(a_refused_sleep_is_fatal_to_whoever_asks),
        TEST(a_refused_clock_is_fatal_to_whoever_asks),
        TEST(what_is_wrong_with_the_group_is_said_before_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
