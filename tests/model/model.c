#include "model.h"

#include <errno.h>

const char *const texts[TEXTS] = {
    [INVALID_DELTA] = "invalid argument: wg_try_add of less than 1",
    [INVALID_NSEC] = "invalid argument: tv_nsec is not in 0..999999999",
    [COPIED] = "copied or moved after first use, or never initialised",
    [NEGATIVE] = "negative counter",
    [OVERFLOW] = "counter overflow",
    [CLOSED] = "wg_add on a closed group",
    [CONCURRENT] = "wg_add called concurrently with wg_wait",
    [REUSED] = "reused before previous wg_wait has returned",
    [TOO_MANY] = "too many waiters",
    [FUTEX] = "futex wait failed: EFAULT, EINVAL, ENOSYS or EPERM",
    [CLOCK] = "clock failed: CLOCK_MONOTONIC cannot be read",
};

enum { MOST_WAITERS = 1048575, NAP_NS = 50000, SECOND = 1000000000 };

static struct answer returns(int64_t result)
{
    return (struct answer){.what = RETURNS, .result = result};
}

static struct answer sleeps(int64_t deadline)
{
    return (struct answer){.what = SLEEPS, .deadline = deadline};
}

/* A bad argument changes nothing. Of a group that was counted below 0, all who
   are left say so. Nothing more is promised of any other. */
static struct answer aborts(struct group *g, enum text text, int64_t counter)
{
    const bool goes_on =
        text < COPIED || (text == NEGATIVE && g->counter < 0 && !g->bad_rest);
    g->dead = g->dead || !goes_on;
    return (struct answer){.what = ABORTS,
                           .text = text,
                           .counter = counter,
                           .waiters = g->waiters};
}

/* "The group is not where its first add found it, or the memory holds garbage."
   A copy of a shared group is not caught. A done looks at the counter and the
   mark only: the rest may be gone. */
static bool is_copied(const struct group *g, bool is_done)
{
    const bool moved = !g->shared && g->home != NULL && g->home != g;
    const bool unused = !g->shared && g->home == NULL;
    return moved || g->bad_mark ||
           (is_done ? unused && (g->counter > 0 || g->waiters > 0)
                    : g->bad_rest);
}

/* "Where several texts fit, the one that stands first above is written": what
   wg_close, wg_try_add and a wait above 0 complain of first. */
static bool is_broken(struct group *g, struct answer *answer)
{
    if (!is_copied(g, false) && g->counter >= 0)
        return false;
    *answer = aborts(g, is_copied(g, false) ? COPIED : NEGATIVE, g->counter);
    return true;
}

/* wg_add and wg_done: the result is whether it brought the counter to 0. */
static struct answer add(struct group *g, int64_t delta)
{
    const int64_t before = g->counter, after = before + delta;
    const bool copied = is_copied(g, delta < 0);
    g->counter = after;
    if (copied)
        return aborts(g, COPIED, before);
    if (before < 0 || after < 0)
        return aborts(g, NEGATIVE, after < 0 ? after : before);
    if (after > INT32_MAX)
        return aborts(g, OVERFLOW, before);
    if (before == 0 && g->closed)
        return aborts(g, CLOSED, after);
    if (before == 0 && g->waiters > 0)
        return aborts(g, CONCURRENT, after);
    g->home = g;
    struct answer answer = returns(after == 0);
    if (after == 0 && g->waiters > 0) {
        answer.wakes = g->asleep; /* one for all, none if nobody sleeps */
        g->asleep = false;
        g->released = true;
    }
    return answer;
}

static struct answer try_add(struct group *g, int64_t delta, int64_t now)
{
    struct answer answer;
    if (delta < 1)
        return aborts(g, INVALID_DELTA, g->counter);
    if (is_broken(g, &answer))
        return answer;
    if (g->closed)
        return returns(false);
    if (g->counter + delta > INT32_MAX)
        return aborts(g, OVERFLOW, g->counter);
    if (g->released) { /* waits until they have left */
        answer = now < 0 ? aborts(g, CLOCK, 0) : sleeps(now + NAP_NS);
        answer.clocks = 1;
        return answer;
    }
    g->counter += delta;
    g->home = g;
    return returns(true);
}

static struct answer go(struct group *g, int64_t fate, int64_t now)
{
    const struct answer answer = try_add(g, 1, now);
    if (answer.what != RETURNS)
        return answer;
    if (!answer.result)
        return returns(ECANCELED);
    if (fate == IS_KEPT)
        return returns(0);
    g->counter--; /* done already, or undone */
    return returns(fate == NO_MEMORY ? ENOMEM : fate);
}

/* A wait that finds the counter above 0, and time left. */
static struct answer wait(struct group *g, int64_t deadline)
{
    struct answer answer;
    if (is_broken(g, &answer))
        return answer;
    if (g->waiters == MOST_WAITERS)
        return aborts(g, TOO_MANY, g->counter);
    g->waiters++;
    g->asleep = true;
    return sleeps(deadline);
}

/* The clock comes after what is wrong with the group, and before the wait. */
static struct answer timed_wait(struct group *g, int64_t deadline, int64_t now)
{
    struct answer answer;
    if (now >= 0)
        answer = deadline > now ? wait(g, deadline) : returns(false);
    else if (!is_broken(g, &answer))
        answer = aborts(g, CLOCK, g->counter);
    answer.clocks = 1;
    return answer;
}

struct answer model_call(struct group *g, enum call call, int64_t a, int64_t b,
                         int64_t now)
{
    struct answer answer;
    switch (call) {
    case INIT:
    case STATIC:
        *g = (struct group){.shared = false};
        return returns(0);
    case INIT_SHARED:
    case STATIC_SHARED:
        *g = (struct group){.shared = true};
        return returns(0);
    case ADD:
        answer = a != 0 ? add(g, a) : returns(0);
        answer.result = 0;
        return answer;
    case DEFER_DONE:
    case RUN_JOB:
        a = call == DEFER_DONE ? g->counter : 0;
        answer = add(g, -1);
        answer.result = a;
        return answer;
    case DONE:
        return add(g, -1);
    case WAIT:
        return g->counter == 0 ? returns(true) : wait(g, INT64_MAX);
    case TRY_WAIT:
        return returns(g->counter == 0);
    case WAIT_FOR:
        if (g->counter == 0 || a <= 0)
            return returns(g->counter == 0);
        a = now < 0 || a > INT64_MAX - now ? INT64_MAX : now + a;
        return timed_wait(g, a, now);
    case WAIT_UNTIL:
        if (b < 0 || b >= SECOND)
            return aborts(g, INVALID_NSEC, g->counter);
        if (g->counter == 0 || a < 0)
            return returns(g->counter == 0);
        b = a <= (INT64_MAX - b) / SECOND ? a * SECOND + b : INT64_MAX;
        return timed_wait(g, b, now);
    case CLOSE:
        if (is_broken(g, &answer)) {
            g->dead = true; /* closed or not */
            return answer;
        }
        g->closed = true;
        return returns(0);
    case TRY_ADD:
        return try_add(g, a, now);
    case GO:
        return go(g, b, now);
    case COUNT:
        return returns(g->counter);
    case CALLS:
        break;
    }
    return returns(-1);
}

struct answer model_wake(struct group *g, enum call call, int64_t a, int64_t b,
                         int64_t now, int64_t deadline, enum end end)
{
    struct answer answer;
    if (end == REFUSED)
        return is_broken(g, &answer) ? answer : aborts(g, FUTEX, g->counter);
    if (call == TRY_ADD || call == GO) /* the nap is over */
        return model_call(g, call, a, b, now);
    if (!g->released && (end == WOKEN || deadline == INT64_MAX))
        return sleeps(deadline); /* woken for no reason */
    if (g->released && g->counter < 0)
        return aborts(g, NEGATIVE, g->counter);
    if (g->released && g->counter > 0)
        return aborts(g, REUSED, g->counter);
    const bool released = g->released;
    g->waiters--;
    g->released = released && g->waiters > 0;
    return returns(released);
}
