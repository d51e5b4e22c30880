/*
 * explore.c - runs every interleaving of a scenario, depth first
 *
 * A state is not copied: to get back to an earlier one the machine is started
 * again and does the same steps once more. Two reductions, both of which keep
 * all states that can be reached:
 *
 *   Sleep sets: once all that begins with the step of thread A has been done,
 *   what begins with B's step leaves out A's until there is a step that A's
 *   depends on. The other order would lead to the same state.
 *
 *   A table of the states seen, each with the sleep set of its visit. In a
 *   state seen before only those threads have a step that slept then and do
 *   not now (Godefroid). It is sound with all that is checked, as a state's
 *   number covers whatever later steps and checks depend on: memory, messages,
 *   what the views say of accesses that can still matter, and the stack and
 *   registers of each thread, byte for byte. Two states of the same 64-bit
 *   number would be taken for one.
 */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH = 300, STATES = 1 << 22, ON_PATH = 1 << THREADS };

/* ---- The state as a number ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
    return hash ^ hash >> 29;
}

static uint64_t mix_bytes(uint64_t hash, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += 8)
        hash = mix(hash, fetch(bytes + i, size - i < 8 ? size - i : 8));
    return hash;
}

/* A clock of thread u says which of u's accesses it covers: the same for two
   clocks that cover the same of the accesses that can still matter. */
static uint64_t rank(int u, unsigned clock)
{
    uint64_t covered = 0;
    for (int i = 0; variables[i].name != NULL; i++) {
        const struct cell *cell = &cells[i];
        if (cell->newest == 0 || (scenario->flags & FREES) != 0) {
            covered += cell->last[u] != 0 && cell->last[u] <= clock;
            covered += cell->writer == u && cell->written != 0 &&
                       cell->written <= clock;
        }
    }
    return covered;
}

static uint64_t mix_view(uint64_t hash, const struct view *view,
                         const int *oldest)
{
    for (int u = 0; u < THREADS; u++)
        hash = mix(hash, rank(u, view->clock[u]));
    for (int i = 0; weak && variables[i].name != NULL; i++)
        hash = mix(hash, view->at[i] < oldest[i]
                             ? 0
                             : (uint64_t)(view->at[i] - oldest[i]));
    return hash;
}

/* Covers all that later steps and checks depend on. */
static uint64_t state_hash(void)
{
    uint64_t hash = mix_bytes(wakes << 1 | napped, suite->memory, suite->size);
    int oldest[VARIABLES]; /* that anybody may still read */
    for (int i = 0; i < VARIABLES; i++) {
        oldest[i] = cells[i].newest;
        for (int u = 0; weak && u < THREADS; u++)
            if (!threads[u].done && threads[u].view.at[i] < oldest[i])
                oldest[i] = threads[u].view.at[i];
    }
    for (int i = 0; variables[i].name != NULL; i++) {
        const struct cell *cell = &cells[i];
        for (int m = oldest[i]; m <= cell->newest; m++)
            hash = mix_view(mix(hash, cell->messages[m].value),
                            &cell->messages[m].view, oldest);
        for (int u = 0; u < THREADS; u++)
            hash = mix(hash, rank(u, cell->last[u]));
        hash = mix(hash, rank(cell->writer, cell->written));
        hash = mix(hash, (uint64_t)cell->writer);
    }
    hash = mix(hash, (uintptr_t)dead);
    for (struct thread *t = threads; t < &threads[THREADS]; t++) {
        if (!t->hashed)
            t->stack_hash =
                mix_bytes(0, t->sp, (size_t)(t->stack + STACK - t->sp));
        t->hashed = true;
        hash = mix(hash, t->done ? 0 : t->stack_hash);
        hash = mix(hash, (uint64_t)t->op.kind << 32 | (unsigned)t->saved_errno);
        hash = mix(hash, (uint64_t)(t->mischief << 2 | t->ticks << 1) |
                             (t->seen != stores));
        hash = mix(
            hash, t->done ? 0 : (uint64_t)t->locals << 1 | (t->short_naps > 0));
        hash = mix_view(mix(hash, (uint64_t)t->now), &t->view, oldest);
    }
    return hash;
}

/* ---- Search ---- */

struct node {
    uint32_t sleep, todo; /* sets of threads */
    uint32_t choices[THREADS], reads[THREADS], writes[THREADS];
    int thread, choice; /* the step taken */
    uint8_t *slept;     /* the state's entry in the table */
};

struct table { /* open addressing; 0 is free */
    uint64_t *keys;
    uint8_t *values;
    size_t count;
};

static struct node path[DEPTH];
static struct table states, finals;
static bool use_sleep = true, use_table = true;
static unsigned reached; /* set of outcomes */
static unsigned long executions;

static uint8_t *look_up(struct table *table, uint64_t key, bool *is_new)
{
    size_t i = key % STATES;
    while (table->keys[i] != 0 && table->keys[i] != key)
        i = (i + 1) % STATES;
    *is_new = table->keys[i] == 0;
    table->keys[i] = key;
    table->count += *is_new;
    if (table->count == STATES / 8 * 7)
        fail("too many states", "", NULL);
    return &table->values[i];
}

static void empty(struct table *table)
{
    free(table->keys);
    free(table->values);
    *table = (struct table){calloc(STATES, sizeof *table->keys),
                            calloc(STATES, 1), 0};
}

static void note_outcome(void)
{
    bool is_new;
    unsigned bit = 1;
    const size_t size = strlen(outcome);
    const char *p = scenario->outcomes;
    while (strncmp(p, outcome, size) != 0 || (p[size] != '|' && p[size] != 0)) {
        p = strchr(p, '|');
        if (p++ == NULL) {
            fail("unexpected outcome: ", outcome, NULL);
            return;
        }
        bit <<= 1;
    }
    reached |= bit;
    look_up(&finals, mix_bytes(bit, suite->memory, suite->size), &is_new);
}

static void look_for_deadlock(void)
{
    bool timed = false;
    for (struct thread *t = threads; t < &threads[THREADS]; t++)
        if (naps(t) || (t->op.kind != ASLEEP && choices_of(t) != 0))
            return;
    for (struct thread *t = threads; t < &threads[THREADS]; t++)
        if (!t->done && t->op.kind == ASLEEP) {
            timed |= t->op.deadline_ns != INT64_MAX;
            if (fetch(variables[t->op.where].address, 4) != t->op.operand)
                fail("lost wake-up: sleeps, though changed: ",
                     variables[t->op.where].name, t->op.pc);
        }
    if (!timed)
        fail("deadlock", "", NULL);
}

/* Makes the node for the present state. Returns false if nothing is to be
   explored from here: an end, a failure, a state seen before. */
static bool arrive(int depth, uint32_t sleep)
{
    struct node *node = &path[depth];
    bool alive = false, is_new;
    node->thread = -1;
    node->todo = 0;
    for (int i = 0; i < THREADS; i++) {
        alive |= !threads[i].done;
        node->choices[i] = choices_of(&threads[i]);
        node->todo |= (uint32_t)(node->choices[i] != 0) << i;
        footprint(&threads[i].op, &node->reads[i], &node->writes[i]);
    }
    if (failure[0] == '\0' && !aborted && !alive) {
        run_alone(suite->final);
        if (failure[0] == '\0' && scenario->final != NULL)
            run_alone(scenario->final);
    }
    if (failure[0] == '\0' && (aborted || !alive))
        note_outcome();
    else if (failure[0] == '\0')
        look_for_deadlock();
    if (failure[0] == '\0' && depth == DEPTH - 1)
        fail("livelock: too many steps", "", NULL);
    if (failure[0] != '\0' || aborted || !alive)
        return false;
    node->sleep = sleep;
    node->slept = NULL;
    if (use_table) {
        node->slept = look_up(&states, state_hash(), &is_new);
        if ((*node->slept & ON_PATH) != 0) {
            fail("livelock: the same state again", "", NULL);
            return false;
        }
        if (!is_new) {
            node->todo &= *node->slept;
            node->sleep &= *node->slept;
        }
        *node->slept = (uint8_t)(node->sleep | ON_PATH);
    }
    node->todo &= ~sleep;
    return true;
}

/* Takes the next step that is to be explored from here, if there is one. */
static bool advance(struct node *node)
{
    if (node->thread >= 0) {
        const uint32_t left = node->choices[node->thread] & -2U << node->choice;
        if (left != 0) {
            node->choice = __builtin_ctz(left);
            return true;
        }
        node->sleep |= 1U << node->thread;
        node->todo &= ~(1U << node->thread);
    }
    if (node->todo == 0) {
        if (node->slept != NULL)
            *node->slept &= (uint8_t)~ON_PATH;
        return false;
    }
    node->thread = __builtin_ctz(node->todo);
    node->choice = __builtin_ctz(node->choices[node->thread]);
    return true;
}

/* Those who go on sleeping: their step does not depend on the one taken. */
static uint32_t sleep_after(const struct node *node)
{
    const int t = node->thread;
    uint32_t sleep = use_sleep ? node->sleep & ~(1U << t) : 0;
    for (int i = 0; i < THREADS; i++)
        if ((node->writes[t] & (node->reads[i] | node->writes[i])) != 0 ||
            (node->reads[t] & node->writes[i]) != 0 || naps(&threads[i]))
            sleep &= ~(1U << i);
    return sleep;
}

/* Starts again, and does the first steps of path. */
static void replay(int length)
{
    restart();
    for (int i = 0; i < length; i++)
        do_step(&threads[path[i].thread], path[i].choice);
}

/* Returns -1, or the length of the path that leads to a failure. */
static int search(void)
{
    int depth = 0;
    empty(&states);
    empty(&finals);
    executions = reached = 0;
    replay(0);
    for (bool more = arrive(0, 0);;
         more = arrive(depth, sleep_after(&path[depth - 1]))) {
        while (more && advance(&path[depth])) {
            do_step(&threads[path[depth].thread], path[depth].choice);
            depth++;
            more = arrive(depth, sleep_after(&path[depth - 1]));
        }
        executions++;
        if (failure[0] != '\0')
            return depth;
        do
            if (depth == 0)
                return -1;
        while (!advance(&path[--depth]));
        replay(++depth);
    }
}

/* ---- Report ---- */

static const char *place(const void *pc)
{
    static char text[100];
    char command[100];
    snprintf(command, sizeof command, "addr2line -s -e /proc/%ld/exe %lx",
             (long)getpid(), (unsigned long)pc - 1);
    FILE *const pipe = popen(command, "r");
    if (pipe == NULL || fscanf(pipe, "%99[^ \n]", text) != 1)
        text[0] = '\0';
    if (pipe != NULL)
        pclose(pipe);
    return text;
}

/* Prints the step just done, in its thread's column. Values of 64 bits are
   printed as two halves: for the state, counter and waiters. */
static void trace(const struct thread *t, int choice)
{
    static const char *const kinds[] = {"load ", "store ", "",      "cas ",
                                        "wait ", "sleep ", "wake ", "clock",
                                        "",      "poll"};
    const struct op *op = &t->op;
    if (t == &threads[MAIN])
        return;
    const char *const what = op->where < 0 ? "" : variables[op->where].name;
    printf("    %*s%s %s%s", (int)(t - threads) * 32, "", place(op->pc),
           kinds[op->kind], what);
    if (op->kind == ASLEEP)
        printf(": %s", !t->ready        ? "asleep"
                       : t->result == 0 ? "woken"
                                        : strerrorname_np(t->saved_errno));
    else if (op->kind == PANIC)
        printf("%s", outcome);
    else if (op->kind <= CAS) {
        const struct message *m =
            &cells[op->where].messages[cells[op->where].newest];
        const uint64_t value = op->kind == LOAD ? m[-choice].value : m->value;
        printf(op->kind == CAS && t->result == 0 ? " fails" : " %d:%x",
               (int)(value >> 32), (unsigned)value);
    }
    putchar('\n');
}

static bool explore(int which, bool spin, bool is_weak, bool quiet)
{
    const clock_t began = clock();
    suite = spin ? &suite_spin_1 : &suite_spin_0;
    variables = suite->variables;
    scenario = &suite->scenarios[which];
    weak = is_weak;
    const int length = search();
    unsigned listed = 1;
    for (const char *p = scenario->outcomes; *p != '\0'; p++)
        listed = *p == '|' ? listed << 1 | 1 : listed;
    if (length < 0 && reached == listed && quiet)
        return true;
    printf("%s %s, spin %d, %s: %lu executions, %zu states, %zu final states, "
           "%.2f s\n",
           length < 0 && reached == listed ? "  " : "FAIL", scenario->name,
           spin, weak ? "weak" : "strong", executions, states.count,
           finals.count, (double)(clock() - began) / CLOCKS_PER_SEC);
    if (length >= 0) {
        printf("     %s %s\n", failure,
               failed_at == NULL ? "" : place(failed_at));
        after_step = trace;
        replay(length);
        after_step = NULL;
    } else if (reached != listed) {
        printf("     not all outcomes reached: %s\n", scenario->outcomes);
    }
    fflush(stdout);
    return length < 0 && reached == listed;
}

/* The same final states without any reduction, with each, and with both. */
static bool check_reduction(int which, bool is_weak)
{
    uint64_t sums[4] = {0};
    printf("   %s, %s:", suite_spin_0.scenarios[which].name,
           is_weak ? "weak" : "strong");
    for (int i = 3; i >= 0; i--) {
        use_sleep = (i & 1) != 0;
        use_table = (i & 2) != 0;
        if (!explore(which, false, is_weak, true))
            return false;
        for (size_t k = 0; k < STATES; k++)
            sums[i] += finals.keys[k];
        printf(" %lu executions %zu final%s", executions, finals.count,
               i > 0 ? "," : "\n");
        if (sums[i] != sums[3]) {
            printf("FAIL the final states differ\n");
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    const char *const wanted = argc > 1 ? argv[1] : "";
    bool found = false;
    create_threads();
    for (int i = 0; suite_spin_0.scenarios[i].name != NULL; i++) {
        const struct scenario *s = &suite_spin_0.scenarios[i];
        bool ok = true;
        if (strcmp(wanted, "--list") == 0) {
            printf("%s%s\n", s->name, s->flags & LARGE ? " LARGE" : "");
        } else if (strcmp(wanted, "reduction") == 0) {
            if ((s->flags & SMALL) != 0)
                ok = check_reduction(i, false) && check_reduction(i, true);
        } else if (strcmp(wanted, s->name) == 0 ||
                   (strcmp(wanted, "quick") == 0 && (s->flags & LARGE) == 0)) {
            for (int k = 0; k < 4 && ok; k++)
                ok = explore(i, k & 1, k >> 1, false);
        } else {
            continue;
        }
        if (!ok)
            return 1;
        found = true;
    }
    return found ? 0 : 2;
}
