/* The groups, the system that they ask, and what a step does to both. */
#include "world.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *objects[GROUPS];
struct group groups[GROUPS];
uint32_t others[GROUPS];
int inside[GROUPS];
struct frame frames[STEPS + 1];
int depth;
int64_t now;
struct job jobs[STEPS];
int kept;

static void *memory[STEPS]; /* allocated by wg_go and not freed yet */
static int allocated;

static caller *const callers[] = {
    call_in_c,
    call_in_c_with_pauses,
#ifndef WITHOUT_CXX
    call_in_cxx,
    call_in_cxx_with_pauses,
#endif
};
const int number_of_callers = sizeof callers / sizeof *callers;

/* ---- The object, as the design has it ---- */

struct object {
    uint64_t state; /* counter 63..32, closed 31, mark 30..20, waiters 19..0 */
    uint32_t word;  /* 0 awake, 1 asleep, 2 released */
    uint32_t rest;  /* 0 */
};

static struct object read_object(int group)
{
    struct object object;
    memcpy(&object, objects[group], sizeof object);
    return object;
}

static void write_object(int group, struct object object)
{
    memcpy(objects[group], &object, sizeof object);
}

/* Dead groups and garbage may be anything. */
static void check_object(int group)
{
    const struct group *const g = &groups[group];
    if (g->dead || g->bad_mark || g->bad_rest)
        return;
    const struct object o = read_object(group);
    const unsigned mark = o.state >> 20 & 0x7ff;
    const uint64_t state = (uint64_t)g->counter << 32 |
                           (uint64_t)g->closed << 31 | (uint64_t)mark << 20 |
                           g->waiters;
    const uint32_t word = g->released ? 2 : g->asleep;
    if (o.state != state || o.word != word || o.rest != 0)
        fail("%c should be %016" PRIx64 " %" PRIx32
             " 0\nand is      %016" PRIx64 " %" PRIx32 " %" PRIx32,
             letter(group), state, word, o.state, o.word, o.rest);
    if (g->shared ? mark != 2 : (mark & 1) != (g->home != NULL))
        fail("%c has the mark %x", letter(group), mark);
}

/* Fills an object with something else than an initialised group. */
static void fill(int group, int64_t how, int64_t value)
{
    struct object o = {0, 0, 0};
    struct group *const g = &groups[group];
    *g = (struct group){.shared = false};
    others[group] = 0;
    switch (how) {
    case ZEROS: /* a private group */
        break;
    case BAD_MARK: /* even, and neither 0 nor 2; the rest is anything */
        o.state = ((uint64_t)value & ~((uint64_t)0x7ff << 20)) |
                  (4 + 2 * ((uint64_t)value & 0x1ff)) << 20;
        o.word = (uint32_t)((uint64_t)value >> 17);
        o.rest = (uint32_t)((uint64_t)value >> 31);
        g->bad_mark = true;
        break;
    case BAD_WORD:
        o.word = 3 + (value & 1 ? 0 : (uint32_t)value % 0xfffffffd);
        g->bad_rest = true;
        break;
    case BAD_BYTE:
        ((unsigned char *)&o.rest)[value & 3] = 1 + (value >> 2 & 0x7f);
        g->bad_rest = true;
        break;
    case WAITERS_ONLY:
        o.state = 1 + ((uint64_t)value & 0xffff);
        g->bad_rest = true;
        break;
    case COUNTER_ONLY:
        o.state = (1 + ((uint64_t)value & 3)) << 32;
        break;
    }
    g->counter = (int32_t)(o.state >> 32);
    g->closed = o.state >> 31 & 1;
    g->waiters = o.state & 0xfffff;
    write_object(group, o);
}

/* ---- The system ---- */

bool naps(const struct step *step)
{
    return step->call == TRY_ADD || step->call == GO;
}

static struct frame *top(const char *who)
{
    if (depth == 0)
        fail("%s outside of a call", who);
    return &frames[depth - 1];
}

/* The time as this call finds it. */
static int64_t clock_of(const struct step *step)
{
    return step->clock_failure < 0 ? step->clock_failure : now;
}

int64_t seam_now_ns(void)
{
    struct frame *const f = top("a look at the clock");
    f->clocks++;
    return clock_of(f->step);
}

void seam_wake(void *word, bool shared)
{
    struct frame *const f = top("a wake");
    const int group = f->step->group;
    f->wakes++;
    if (word != (char *)objects[group] + 8 || shared != groups[group].shared)
        fail("a wake of %c that is %s, at offset %d", letter(group),
             shared ? "shared" : "private",
             (int)((char *)word - (char *)objects[group]));
}

void seam_panic(const char *message)
{
    struct frame *const f = top("misuse");
    f->aborted = true;
    snprintf(f->line, sizeof f->line, "%s", message);
    longjmp(f->panic, 1);
}

void *system_malloc(size_t size)
{
    struct frame *const f = top("malloc");
    if (f->step->call == GO && f->step->b == NO_MEMORY)
        return NULL;
    return memory[allocated++] = malloc(size);
}

void system_free(void *block)
{
    for (int i = 0; i < allocated; i++) {
        if (memory[i] == block) {
            memory[i] = memory[--allocated];
            free(block);
            return;
        }
    }
    if (block != NULL)
        fail("what is freed was not allocated");
}

int system_create(void *(*run)(void *), void *arg)
{
    struct frame *const f = top("a new thread");
    if (f->step->b > 0)
        return (int)f->step->b;
    if (f->step->b == IS_KEPT)
        jobs[kept++] = (struct job){f->step->group, run, arg};
    else if (run(arg) != NULL)
        fail("the thread returns something");
    return 0;
}

void system_detach(void)
{
    top("a detached thread")->detached++;
}

/* What wg_go runs. It is counted until it returns; the model has it ended. */
void task(void *arg)
{
    struct frame *const f = top("a task");
    const int group = f->step->group;
    f->tasks++;
    if (arg != (char *)objects[group] + sizeof(struct object))
        fail("the task is given another argument");
    if (callers[f->step->caller](COUNT, objects[group], 0, 0) !=
        groups[group].counter + 1)
        fail("the task is not counted");
}

bool has_job(int group)
{
    for (int i = 0; i < kept; i++)
        if (jobs[i].group == group)
            return true;
    return false;
}

static int64_t run_job(int group)
{
    int i = 0;
    while (jobs[i].group != group)
        i++;
    const struct job job = jobs[i];
    kept--;
    memmove(&jobs[i], &jobs[i + 1], (size_t)(kept - i) * sizeof *jobs);
    return job.run(job.arg) != NULL;
}

/* ---- Steps ---- */

/* Whether a step keeps the contract, and something is promised of it. */
static bool is_possible(const struct step *step)
{
    const struct group *const g = &groups[step->group];
    const bool moved = !g->shared && g->home != NULL && g->home != g;
    const bool well = !g->dead && !g->bad_mark && !g->bad_rest && !moved;
    int64_t delta = step->call == ADD ? step->a : -1;
    switch (step->kind) {
    case CALL:
        switch (step->call) {
        case INIT:
        case INIT_SHARED:
        case STATIC:
        case STATIC_SHARED:
            return inside[step->group] == 0;
        case RUN_JOB:
            if (!has_job(step->group))
                return false;
            /* fall through */
        case ADD:
        case DONE:
        case DEFER_DONE:
            return !g->dead && (g->counter >= 0 || delta > 0 ||
                                g->counter + delta >= INT32_MIN);
        default:
            return !g->dead;
        }
    case COPY:
        return step->from != step->group && inside[step->group] == 0 &&
               !groups[step->from].dead;
    case FILL:
        return inside[step->group] == 0;
    case OTHERS_WAIT:
        return well && g->counter > 0 && !g->released &&
               step->a <= OTHERS - (int64_t)g->waiters;
    case OTHERS_LEAVE:
        return well && g->released && g->counter == 0 &&
               others[step->group] > 0;
    case PASS:
        return true;
    case END:
        break; /* see seam_wait */
    }
    return false;
}

/* Makes the call, until it has returned or ended in misuse. */
static void enter(struct frame *f)
{
    const struct step *const step = f->step;
    errno = step->error;
    if (setjmp(f->panic) != 0)
        return;
    f->result = step->call == RUN_JOB
                    ? run_job(step->group)
                    : callers[step->caller](step->call, objects[step->group],
                                            step->a, step->b);
    f->error = errno;
}

/* Compares how a call has ended with what the model says. */
static void check_end(const struct frame *f)
{
    const struct step *const step = f->step;
    const struct answer *const answer = &f->answer;
    const char *const line = expected(f);
    const bool runs =
        answer->what == RETURNS &&
        (step->call == RUN_JOB ||
         (step->call == GO && step->b == RUNS && answer->result == 0));
    if (f->aborted) {
        print("  aborts\n");
        if (answer->what != ABORTS || strcmp(f->line, line) != 0)
            fail("expected: %s\nfound:    %s", line, f->line);
    } else {
        print("  returns %s\n", number(f->result));
        if (answer->what != RETURNS || f->result != answer->result)
            fail("expected: %s\nfound:    returns %s", line, number(f->result));
        if (step->call != GO && step->call != RUN_JOB &&
            f->error != step->error)
            fail("errno was %d and is %d", step->error, f->error);
        if (f->clocks > answer->clocks)
            fail("expected at most %d looks at the clock, found %d",
                 answer->clocks, f->clocks);
    }
    if (f->wakes != answer->wakes)
        fail("expected %d wakes, found %d", answer->wakes, f->wakes);
    if (f->tasks != runs && answer->what == RETURNS)
        fail("the task was run %d times", f->tasks);
    if (f->detached != f->tasks)
        fail("%d threads detached, of %d", f->detached, f->tasks);
    if (allocated != kept)
        fail("%d blocks of memory for %d threads", allocated, kept);
}

static void take_call(const struct step *step)
{
    struct frame *const f = &frames[depth];
    struct group *const g = &groups[step->group];
    print_call(step);
    memset(f, 0, sizeof *f);
    f->step = step;
    depth++;
    inside[step->group]++;
    f->answer = model_call(g, step->call, step->a, step->b, clock_of(step));
    if (step->call <= STATIC_SHARED)
        others[step->group] = 0;
    enter(f);
    depth--;
    inside[step->group]--;
    check_end(f);
    count_outcome(f);
}

void take(const struct step *step)
{
    const int group = step->group;
    struct object o;
    if (!is_possible(step))
        return;
    if (step->kind != CALL)
        print_other(step);
    switch (step->kind) {
    case CALL:
        take_call(step);
        break;
    case COPY:
        memcpy(objects[group], objects[step->from], sizeof(struct object));
        groups[group] = groups[step->from];
        others[group] = groups[group].waiters;
        break;
    case FILL:
        fill(group, step->b, step->a);
        break;
    case OTHERS_WAIT:
        o = read_object(group);
        o.state += (uint64_t)step->a;
        if (step->b)
            o.word = 1;
        write_object(group, o);
        groups[group].waiters += (uint32_t)step->a;
        groups[group].asleep = o.word == 1;
        others[group] += (uint32_t)step->a;
        break;
    case OTHERS_LEAVE:
        groups[group].waiters -= others[group];
        groups[group].released = groups[group].waiters > 0;
        o = read_object(group);
        o.state -= others[group];
        o.word = groups[group].released ? 2 : 0;
        write_object(group, o);
        others[group] = 0;
        break;
    case PASS:
        if (now < INT64_MAX / 4)
            now += step->a;
        break;
    case END:
        break;
    }
    for (int i = 0; i < GROUPS; i++)
        check_object(i);
}

/* Whether a sleep can end so. Of a dead group, only those can who have been
   released before. And no sleep lasts for centuries. */
static bool can_end(const struct frame *f, const struct step *step)
{
    const struct group *const g = &groups[f->step->group];
    const int64_t deadline = f->answer.deadline;
    if (step->end == TIMED_OUT && deadline > INT64_MAX / 2 &&
        deadline < INT64_MAX)
        return false;
    if (naps(f->step))
        return !g->dead;
    if (g->dead || g->counter < 0)
        return g->released && g->counter != 0 && step->end == WOKEN;
    return true;
}

/* Whoever sleeps: here goes on what all others do. */
int seam_wait(void *word, uint32_t value, int64_t deadline, bool shared)
{
    struct frame *const f = top("a sleep");
    const int group = f->step->group;
    const int error = errno;
    uint32_t found;
    if (f->answer.what != SLEEPS)
        fail("expected: %s\nfound:    sleeps until %s", expected(f),
             number(deadline));
    if (deadline != f->answer.deadline)
        fail("expected: %s\nfound:    sleeps until %s, and now it is %s",
             expected(f), number(deadline), number(now));
    if (word != (char *)objects[group] + 8 || shared != groups[group].shared)
        fail("a sleep on %c that is %s, at offset %d", letter(group),
             shared ? "shared" : "private",
             (int)((char *)word - (char *)objects[group]));
    memcpy(&found, word, sizeof found);
    if (value != found)
        fail("sleeps while the word is %" PRIu32 ", which is %" PRIu32, value,
             found);
    if (f->clocks > f->answer.clocks)
        fail("expected at most %d looks at the clock, found %d",
             f->answer.clocks, f->clocks);
    print("  sleeps until %s\n", number(deadline));
    for (int i = 0; i < GROUPS; i++)
        check_object(i);
    f->slept = true;

    const struct step *step = next_step();
    while (step->kind != END || !can_end(f, step)) {
        take(step);
        step = next_step();
    }
    const struct step *const call = f->step;
    if (step->end == TIMED_OUT && deadline > now && deadline < INT64_MAX)
        now = deadline;
    print_other(step);
    f->clocks = 0;
    f->answer = model_wake(&groups[group], call->call, call->a, call->b,
                           clock_of(call), deadline, step->end);
    print("%*s...%s(%c)", 4 * depth, "", call_names[call->call], letter(group));
    errno = error;
    return step->value;
}

/* ---- The whole ---- */

/* At random, without overlap. Groups less than 2440 bytes apart have different
 * marks. */
void choose_places(void)
{
    enum { PLACES = 2440 / 8, SIZE = sizeof(struct object) };
    static char area[(PLACES - 1) * 8 + SIZE] __attribute__((aligned(8)));
    for (int i = 0; i < GROUPS; i++) {
        int j = 0;
        objects[i] = area + 8 * below(PLACES);
        while (j < i && labs((char *)objects[i] - (char *)objects[j]) >= SIZE)
            j++;
        i -= j < i; /* it overlaps: once more */
    }
}

void start_over(int64_t start_time)
{
    now = start_time;
    depth = kept = 0;
    for (int i = 0; i < GROUPS; i++) {
        groups[i] = (struct group){.dead = true};
        others[i] = 0;
        inside[i] = 0;
        memset(objects[i], 0xff, sizeof(struct object));
    }
}

void end_world(void)
{
    while (allocated > 0)
        free(memory[--allocated]);
}
