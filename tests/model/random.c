/* Random steps, such that all happens that can. */
#include "world.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

uint64_t randomness;

static uint64_t random64(void)
{
    uint64_t x = randomness += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

int below(int n)
{
    return (int)(random64() % (unsigned)n);
}

#define ONE_OF(array) (array)[below(sizeof(array) / sizeof *(array))]

static int64_t a_delta(const struct group *g)
{
    const int64_t left = INT32_MAX - g->counter;
    const int64_t deltas[] = {
        1,    1,        1,           1,           2, 1 + below(5),
        -1,   -1,       -g->counter, -g->counter, 0, -g->counter - 1,
        left, left + 1, INT32_MAX,   INT32_MIN};
    const int64_t delta = ONE_OF(deltas);
    return delta > INT32_MAX ? INT32_MAX : delta;
}

static int64_t a_positive_delta(const struct group *g)
{
    const int64_t left = INT32_MAX - g->counter;
    const int64_t deltas[] = {
        1,    1,        1, 1,  1,         1,        2, 1 + below(5),
        left, left + 1, 0, -1, INT32_MAX, INT32_MIN};
    const int64_t delta = ONE_OF(deltas);
    return delta > INT32_MAX ? INT32_MAX : delta;
}

static int64_t a_timeout(void)
{
    const int64_t timeouts[] = {0,
                                -1,
                                INT64_MIN,
                                1,
                                below(1000000),
                                1000000000,
                                1000000000,
                                INT64_MAX,
                                INT64_MAX - 1,
                                INT64_MAX - now - 1,
                                INT64_MAX - now,
                                INT64_MAX - now + (now > 0)};
    return ONE_OF(timeouts);
}

static void set_deadline(struct step *step)
{
    static const int64_t edges[][2] = {
        {-1, 0},
        {-1, 999999999},
        {INT64_MIN, 1},
        {0, 0},
        {INT64_MAX, 0},
        {INT64_MAX, 999999999},
        {5, -1},
        {5, 1000000000},
        {INT64_MAX, 1000000000},
        {5, LONG_MIN},
        {5, LONG_MAX},
        {-1, -1},
        {9223372035, 999999999},
        {9223372036, 0},
        {9223372036, 854775806},
        {9223372036, 854775807},
        {9223372036, 854775808},
        {9223372037, 0},
    };
    if (below(3) == 0) {
        const int64_t *const edge = ONE_OF(edges);
        step->a = (int64_t)(time_t)edge[0];
        step->b = edge[1];
        return;
    }
    const int64_t distances[] = {0, 1, -1, below(1000000), 1000000000};
    int64_t deadline = now + ONE_OF(distances);
    if (deadline < 0)
        deadline = 0;
    step->a = (int64_t)(time_t)(deadline / 1000000000);
    step->b = deadline % 1000000000;
}

/* Seldom what only ends in the same misuse again. */
static enum call a_call(const struct group *g)
{
    static const enum call choices[] = {
        ADD,        ADD,        ADD,        DONE,       DONE,     DONE,
        DEFER_DONE, WAIT,       WAIT,       WAIT,       WAIT_FOR, WAIT_FOR,
        WAIT_FOR,   WAIT_UNTIL, WAIT_UNTIL, WAIT_UNTIL, TRY_WAIT, CLOSE,
        TRY_ADD,    TRY_ADD,    GO,         GO,         COUNT,
    };
    static const enum call adds[] = {ADD, TRY_ADD, GO};
    static const enum call waits[] = {WAIT, WAIT_FOR, WAIT_UNTIL};
    const bool at_end = g->counter < 0 || g->closed;
    if (g->dead)
        return INIT + (enum call)below(4);
    if (g->released && below(2) == 0)
        return ONE_OF(adds);
    if (g->waiters >= OTHERS - 1 && below(2) == 0)
        return ONE_OF(waits);
    if (below(at_end ? 4 : 100) == 0)
        return INIT + (enum call)below(4);
    if (g->counter == 0 && !g->released && below(4) != 0)
        return ONE_OF(adds);
    return ONE_OF(choices);
}

static void make_call(struct step *step, const struct group *g)
{
    static const int64_t failures[] = {-1, -22, INT64_MIN};
    static const int64_t fates[] = {RUNS,      RUNS,   IS_KEPT, IS_KEPT,
                                    NO_MEMORY, EAGAIN, ENOMEM};
    step->kind = CALL;
    step->call = a_call(g);
    step->caller = below(number_of_callers);
    step->error = 1 + below(100);
    if (below(g->released ? 6 : 12) == 0)
        step->clock_failure = ONE_OF(failures);
    switch (step->call) {
    case ADD:
        step->a = a_delta(g);
        break;
    case TRY_ADD:
        step->a = a_positive_delta(g);
        break;
    case WAIT_FOR:
        step->a = a_timeout();
        break;
    case WAIT_UNTIL:
        set_deadline(step);
        break;
    case GO:
        step->b = ONE_OF(fates);
        break;
    default:
        break;
    }
}

static void make_end(struct step *step, const struct frame *f)
{
    static const int values[][3] = {
        {0, 0, 0}, {1, ETIMEDOUT, INT_MAX}, {-1, -ENOSYS, INT_MIN}};
    const int dice = below(16);
    step->kind = END;
    step->end = dice < (naps(f->step) ? 3 : 1) ? REFUSED
                : dice < 8                     ? TIMED_OUT
                                               : WOKEN;
    step->value = ONE_OF(values[step->end]);
}

/* last is the step before, or NULL. */
void make_step(struct step *step, const struct step *last)
{
    const struct frame *const f = depth > 0 ? &frames[depth - 1] : NULL;
    *step = (struct step){.group = below(GROUPS)};
    /* More happens where something has happened. */
    if (last != NULL && ((last->kind >= COPY && last->kind <= OTHERS_WAIT) ||
                         (groups[last->group].released && below(2) == 0)))
        step->group = last->group;
    else if (f != NULL && below(2) == 0)
        step->group = f->step->group;
    else if (kept > 0 && below(3) == 0)
        step->group = jobs[below(kept)].group;
    struct group *const g = &groups[step->group];
    const int dice = below(100);
    if (f != NULL && last->kind == OTHERS_LEAVE && below(2) == 0) {
        step->group = f->step->group;
        make_end(step, f);
    } else if (f != NULL && naps(f->step) && below(3) == 0) {
        step->group = f->step->group;
        step->kind = OTHERS_LEAVE;
        if (others[step->group] == 0) {
            make_call(step, g);
            step->call = CLOSE;
        }
    } else if (last != NULL && last->kind == OTHERS_WAIT && below(3) != 0) {
        make_call(step, g);
        if (g->waiters < OTHERS - 1 && g->counter > 0) {
            step->call = ADD;
            step->a = -g->counter;
        }
    } else if (f != NULL && dice < 30) {
        step->group = f->step->group;
        make_end(step, f);
    } else if (g->released && dice < 38) {
        step->kind = OTHERS_LEAVE;
    } else if (has_job(step->group) && dice < 48) {
        step->kind = CALL;
        step->call = RUN_JOB;
    } else if (dice >= 98) {
        step->kind = FILL;
        step->a = (int64_t)random64();
        step->b = below(FILLS);
    } else if (dice >= 94) {
        step->kind = COPY;
        step->from = below(GROUPS);
    } else if (dice >= 89) {
        const int64_t most = OTHERS - (int64_t)g->waiters;
        const int64_t numbers[] = {1, 1, 2, 3, most, most - 1};
        step->kind = OTHERS_WAIT;
        if (inside[step->group] > 0)
            step->group = below(GROUPS);
        step->a = ONE_OF(numbers);
        if (step->a < 1)
            step->a = 1;
        step->b = below(2);
    } else if (dice >= 87) {
        step->kind = PASS;
        step->a = below(100000);
    } else {
        make_call(step, g);
    }
}
