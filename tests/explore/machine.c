/*
 * machine.c - the machine that the scenarios run on: threads, memory, futex
 *
 * The scenarios, and with them the real wg.h, are compiled with
 * -fsanitize=thread, so that each memory access calls a function __tsan_*; all
 * that the header asks of the system goes through syscall(), clock_gettime()
 * and abort(). Those functions are defined here, in place of the sanitizer's
 * and the C library's. Threads are coroutines, which stop at each atomic
 * operation and each system call, until do_step is told to do it.
 *
 * Memory is release/acquire, with views. An atomic is a list of messages, in
 * modification order; a thread may read any that its view does not forbid. The
 * message of a release carries its writer's view, and who acquires it joins
 * that view. A read-modify-write reads the newest message and hands its view
 * on: the release sequence. A view also holds a vector clock, which counts
 * accesses, to find races on plain data and on the death of the object.
 */
#include "machine.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

enum { SPOILT_ERRNO = 4321, NAP_NS = 1000000 };

struct thread threads[THREADS + 1];
struct cell cells[VARIABLES];
const struct suite *suite;
const struct scenario *scenario;
const struct variable *variables;
bool weak, aborted, napped;
const char *dead;
unsigned stores, wakes;
char outcome[128], failure[256];
const void *failed_at;
void (*after_step)(const struct thread *t, int choice);

static struct thread *current; /* null while the explorer runs */
static void *engine[5];
static const char *dead_end;

/* ---- Coroutines ---- */

__attribute__((noinline, noreturn)) static void leave(void)
{
    current->saved_errno = errno;
    current->sp = __builtin_frame_address(0);
    __builtin_longjmp(engine, 1);
}

/* Its frame holds all registers that count. */
__attribute__((noinline)) static void stop(void)
{
    if (__builtin_setjmp(current->resume) == 0)
        leave();
}

__attribute__((noinline, noreturn)) static void enter(void)
{
    __builtin_longjmp(current->resume, 1);
}

__attribute__((noinline)) static void resume(struct thread *t)
{
    current = t;
    t->ready = t->hashed = false;
    const uint16_t locals = suite->swap_locals(t->locals);
    errno = t->saved_errno;
    if (__builtin_setjmp(engine) == 0)
        enter();
    current->locals = suite->swap_locals(locals);
    current = NULL;
}

static void coroutine(void)
{
    if (__builtin_setjmp(current->restart) == 0)
        leave();
    current->body();
    x_check(errno == 0, "errno is as it was");
    current->done = true;
    leave();
}

__attribute__((noinline)) static void create(struct thread *t)
{
    static _Alignas(64) char stacks[THREADS + 1][STACK];
    static ucontext_t context;
    current = t;
    t->stack = stacks[t - threads];
    getcontext(&context);
    context.uc_stack.ss_sp = t->stack;
    context.uc_stack.ss_size = STACK;
    makecontext(&context, coroutine, 0);
    if (__builtin_setjmp(engine) == 0)
        setcontext(&context);
    current = NULL;
    t->first_sp = t->sp;
}

void create_threads(void)
{
    for (int i = 0; i <= THREADS; i++)
        create(&threads[i]);
}

static void start(struct thread *t, void (*body)(void), const struct view *view)
{
    /* What earlier executions left there would tell equal states apart. */
    memset(t->first_sp - 4096, 0, 4096);
    memcpy(t->resume, t->restart, sizeof t->resume);
    t->body = body;
    t->view = *view;
    t->saved_errno = 0;
    t->mischief = (scenario->flags & CALM) == 0;
    t->ticks = 1;
    t->now = (int64_t)1 << 40;
    t->short_naps = 1;
    t->seen = UINT_MAX;
    t->locals = 0;
    t->done = body == NULL;
    if (!t->done)
        resume(t);
}

void fail(const char *what, const char *which, const void *pc)
{
    if (failure[0] == '\0') {
        snprintf(failure, sizeof failure, "%s%s", what, which);
        failed_at = pc;
    }
    if (current != NULL)
        leave();
}

/* ---- Memory ---- */

static int find(const volatile void *address, size_t size)
{
    for (int i = 0; variables[i].name != NULL; i++) {
        const size_t offset = (size_t)((const volatile char *)address -
                                       (char *)variables[i].address);
        if (offset < variables[i].size && size <= variables[i].size - offset)
            return i;
    }
    fail("access to what is no variable of the scenario", "", NULL);
    return -1;
}

static bool is_dead(int i)
{
    const char *const address = variables[i].address;
    return address >= dead && address < dead_end;
}

uint64_t fetch(const void *address, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, address, size); /* little-endian */
    return value;
}

static void join(struct view *view, const struct view *other)
{
    for (int i = 0; i < VARIABLES; i++)
        if (view->at[i] < other->at[i])
            view->at[i] = other->at[i];
    for (int i = 0; i <= THREADS; i++)
        if (view->clock[i] < other->clock[i])
            view->clock[i] = other->clock[i];
}

/* Takes over what MAIN, alone, has written by plain stores. */
static void read_memory(void)
{
    for (int i = 0; variables[i].name != NULL; i++)
        cells[i].messages[cells[i].newest].value =
            fetch(variables[i].address, variables[i].size);
}

static uint64_t read_message(struct thread *t, int where, int i, int order)
{
    const struct message *m = &cells[where].messages[i];
    if (order != __ATOMIC_RELAXED && order != __ATOMIC_RELEASE)
        join(&t->view, &m->view);
    if (t->view.at[where] < i)
        t->view.at[where] = (uint16_t)i;
    t->seen = i == cells[where].newest ? stores : UINT_MAX;
    return m->value;
}

static void add_message(struct thread *t, int where, uint64_t value, int order,
                        bool continues)
{
    struct cell *cell = &cells[where];
    struct message *m = &cell->messages[++cell->newest];
    t->view.at[where] = (uint16_t)cell->newest;
    m->value = variables[where].size == 8 ? value : (uint32_t)value;
    m->view = continues ? m[-1].view : (struct view){0};
    if (order >= __ATOMIC_RELEASE)
        join(&m->view, &t->view);
    stores++;
    memcpy(variables[where].address, &value, variables[where].size);
    suite->watch(variables[where].address, m[-1].value, value);
    if (cell->newest == MESSAGES - 1)
        fail("livelock: too many stores to ", variables[where].name, NULL);
}

/* What has been stored is seen in the end. */
static void see_all(struct thread *t)
{
    for (int i = 0; i < VARIABLES; i++)
        t->view.at[i] = (uint16_t)cells[i].newest;
}

static void plain_access(const void *address, size_t size, bool writes,
                         const void *pc)
{
    const size_t offset =
        (size_t)((const char *)address - (char *)suite->memory);
    if (offset >= suite->size || current == NULL || current == &threads[MAIN])
        return; /* a stack, a constant, or in watch, setup or final */
    const int where = find(address, size);
    struct cell *cell = &cells[where];
    uint16_t *const clock = current->view.clock;
    bool races = cell->newest != 0 || cell->written > clock[cell->writer];
    for (int u = 0; u < THREADS; u++)
        races |= writes && cell->last[u] > clock[u];
    if (races || is_dead(where))
        fail(races ? "data race on " : "access to dead ", variables[where].name,
             pc);
    cell->last[current - threads] = ++clock[current - threads];
    if (writes) {
        cell->writer = (int)(current - threads);
        cell->written = clock[cell->writer];
    }
}

/* ---- Steps ---- */

bool naps(const struct thread *t)
{
    return !t->done && t->op.kind == ASLEEP && t->op.nap;
}

static bool is_anybody_awake(void)
{
    bool awake = false;
    for (const struct thread *t = threads; t < &threads[THREADS]; t++)
        awake |= t->op.kind != ASLEEP && choices_of(t) != 0;
    return awake;
}

uint32_t choices_of(const struct thread *t)
{
    const struct op *op = &t->op;
    const uint32_t mischief = t->mischief > 0;
    if (t->done)
        return 0;
    if (op->kind == ASLEEP) {
        const bool may_time_out = op->nap
                                      ? t->short_naps > 0 || !is_anybody_awake()
                                      : op->deadline_ns != INT64_MAX;
        return may_time_out | mischief << 1 | mischief << 2;
    }
    if (op->kind == CLOCK)
        return t->ticks > 0 ? 3 : 1;
    if (op->kind == POLL)
        return t->seen != stores;
    if (op->kind != LOAD && op->kind != CAS)
        return 1;
    const struct cell *cell = &cells[op->where];
    const int older = weak ? cell->newest - t->view.at[op->where] : 0;
    uint32_t choices = 1;
    for (int i = 0; i <= older; i++)
        if (op->kind == LOAD)
            choices |= 1U << i;
        else if (cell->messages[cell->newest - i].value !=
                 fetch(op->out, variables[op->where].size))
            choices |= i > 0 ? 2U << i : 0;
        else if (op->weak && mischief)
            choices |= 2U << i;
    return choices;
}

void footprint(const struct op *op, uint32_t *reads, uint32_t *writes)
{
    const uint32_t value = op->where < 0 ? 0 : 1U << op->where;
    const uint32_t sleepers = value << VARIABLES;
    *reads = op->kind == LOAD || op->kind == WAIT ? value : 0;
    *writes =
        op->kind == PANIC || op->kind == POLL || (op->kind == ASLEEP && op->nap)
            ? UINT32_MAX
        : op->kind >= WAIT && op->kind <= WAKE ? sleepers
        : op->kind == LOAD                     ? 0
                                               : value;
}

static void finish(struct thread *t, uint64_t result, int error)
{
    t->result = error == 0 ? result : UINT64_MAX;
    t->saved_errno = error == 0 ? t->saved_errno : error;
    t->ready = true;
}

static void do_cas(struct thread *t, int choice)
{
    const struct op *op = &t->op;
    const size_t size = variables[op->where].size;
    const int i = cells[op->where].newest - (choice == 0 ? 0 : choice - 1);
    const bool equal =
        cells[op->where].messages[i].value == fetch(op->out, size);
    const bool success = equal && choice == 0;
    const uint64_t old =
        read_message(t, op->where, i, success ? op->order : op->fail_order);
    if (success) {
        add_message(t, op->where, op->operand, op->order, true);
    } else {
        t->mischief -= equal; /* a weak one fails for no reason */
        memcpy(op->out, &old, size);
    }
    finish(t, success, 0);
}

static void do_wake(const struct thread *t)
{
    uint64_t woken = 0;
    wakes++;
    for (struct thread *s = threads; s < &threads[THREADS]; s++)
        if (!s->done && s->op.kind == ASLEEP && !s->ready &&
            s->op.where == t->op.where && s->op.shared == t->op.shared &&
            woken < t->op.operand) {
            finish(s, 0, 0);
            woken++;
        }
}

void do_step(struct thread *t, int choice)
{
    struct op *op = &t->op;
    struct cell *cell = op->where < 0 ? NULL : &cells[op->where];
    uint64_t old;
    if (t == &threads[MAIN])
        read_memory();
    if (cell != NULL && op->kind <= WAIT) {
        cell->last[t - threads] = ++t->view.clock[t - threads];
        if (is_dead(op->where)) {
            fail("access to dead ", variables[op->where].name, op->pc);
            return;
        }
    }
    switch (op->kind) {
    case LOAD:
        old = read_message(t, op->where, cell->newest - choice, op->order);
        finish(t, old, 0);
        break;
    case STORE:
        add_message(t, op->where, op->operand, op->order, false);
        finish(t, 0, 0);
        break;
    case RMW:
        old = read_message(t, op->where, cell->newest, op->order);
        add_message(t, op->where,
                    op->operator== '+'   ? old + op->operand
                    : op->operator== '-' ? old - op->operand
                    : op->operator== '|' ? old | op->operand
                    : op->operator== '&' ? old & op->operand
                                         : op->operand,
                    op->order, true);
        finish(t, old, 0);
        break;
    case CAS:
        do_cas(t, choice);
        break;
    case WAIT: /* The kernel reads the newest value, and so will its caller. */
        napped |= op->nap;
        t->view.at[op->where] = (uint16_t)cell->newest;
        if ((uint32_t)cell->messages[cell->newest].value == op->operand)
            op->kind = ASLEEP;
        else
            finish(t, 0, EAGAIN);
        break;
    case ASLEEP:
        if (choice == 0 && t->now < op->deadline_ns)
            t->now = op->deadline_ns;
        if (choice == 0 && op->nap && t->short_naps-- == 0) {
            t->short_naps = 0;
            see_all(t);
        }
        t->mischief -= choice != 0;
        finish(t, 0, choice == 0 ? ETIMEDOUT : choice == 1 ? 0 : EINTR);
        break;
    case WAKE:
        do_wake(t);
        finish(t, 0, is_dead(op->where) ? EFAULT : SPOILT_ERRNO);
        break;
    case CLOCK:
        t->ticks -= choice;
        t->now += (int64_t)choice << 40;
        memcpy(op->out, (int64_t[]){t->now / 1000000000, t->now % 1000000000},
               2 * sizeof(int64_t));
        t->saved_errno = SPOILT_ERRNO; /* C allows that */
        finish(t, 0, 0);
        break;
    case PANIC:
        finish(t, op->operand, 0);
        break;
    case POLL:
        see_all(t);
        finish(t, 0, 0);
        break;
    }
    if (after_step != NULL)
        after_step(t, choice);
    for (int i = 0; i <= THREADS && failure[0] == '\0'; i++)
        if (threads[i].ready)
            resume(&threads[i]);
}

void run_alone(void (*body)(void))
{
    struct view view = {0};
    for (int i = 0; i <= THREADS; i++)
        join(&view, &threads[i].view);
    start(&threads[MAIN], body, &view);
    while (!threads[MAIN].done && !aborted && failure[0] == '\0')
        do_step(&threads[MAIN], 0);
    if (aborted)
        fail("setup or final ends in ", outcome, NULL);
}

void restart(void)
{
    memset(suite->memory, 0, suite->size);
    for (int i = 0; variables[i].name != NULL; i++) {
        memset(&cells[i], 0, offsetof(struct cell, messages[1]));
        memset(cells[i].last, 0, sizeof cells[i] - offsetof(struct cell, last));
    }
    for (int i = 0; i <= THREADS; i++) {
        threads[i].view = (struct view){0};
        threads[i].done = true;
        threads[i].ready = false;
    }
    dead = dead_end = NULL;
    stores = wakes = 0;
    aborted = napped = false;
    failure[0] = '\0';
    x_outcome("done");
    run_alone(scenario->setup);
    read_memory();
    for (int i = 0; i < THREADS && failure[0] == '\0'; i++)
        start(&threads[i], scenario->threads[i], &threads[MAIN].view);
}

/* ---- What the scenarios call ---- */

static uint64_t stop_for(struct op op)
{
    struct thread *const t = current;
    t->op = op;
    stop();
    return t->result;
}

#define PC __builtin_return_address(0)

#define RMW_HOOK(type, bits, name, op_name)                                \
    type __tsan_atomic##bits##_##name(volatile type *p, type v, int order) \
    {                                                                      \
        return (type)stop_for((struct op){.kind = RMW,                     \
                                          .where = find(p, sizeof *p),     \
                                          .operator= op_name,              \
                                          .operand = v,                    \
                                          .order = order,                  \
                                          .pc = PC});                      \
    }

#define CAS_HOOK(type, bits, name, is_weak)                                  \
    bool __tsan_atomic##bits##_compare_exchange_##name(                      \
        volatile type *p, void *expected, type v, int order, int fail_order) \
    {                                                                        \
        return (bool)stop_for((struct op){.kind = CAS,                       \
                                          .where = find(p, sizeof *p),       \
                                          .weak = is_weak,                   \
                                          .operand = v,                      \
                                          .out = expected,                   \
                                          .order = order,                    \
                                          .fail_order = fail_order,          \
                                          .pc = PC});                        \
    }

#define ATOMIC_HOOKS(type, bits)                                          \
    type __tsan_atomic##bits##_load(const volatile type *p, int order)    \
    {                                                                     \
        return (type)stop_for((struct op){.kind = LOAD,                   \
                                          .where = find(p, sizeof *p),    \
                                          .order = order,                 \
                                          .pc = PC});                     \
    }                                                                     \
    void __tsan_atomic##bits##_store(volatile type *p, type v, int order) \
    {                                                                     \
        stop_for((struct op){.kind = STORE,                               \
                             .where = find(p, sizeof *p),                 \
                             .operand = v,                                \
                             .order = order,                              \
                             .pc = PC});                                  \
    }                                                                     \
    RMW_HOOK(type, bits, exchange, '=')                                   \
    RMW_HOOK(type, bits, fetch_add, '+')                                  \
    RMW_HOOK(type, bits, fetch_sub, '-')                                  \
    RMW_HOOK(type, bits, fetch_or, '|')                                   \
    RMW_HOOK(type, bits, fetch_and, '&')                                  \
    CAS_HOOK(type, bits, strong, false)                                   \
    CAS_HOOK(type, bits, weak, true)

#define PLAIN_HOOKS(size)                 \
    void __tsan_read##size(void *p)       \
    {                                     \
        plain_access(p, size, false, PC); \
    }                                     \
    void __tsan_write##size(void *p)      \
    {                                     \
        plain_access(p, size, true, PC);  \
    }

ATOMIC_HOOKS(uint8_t, 8)
ATOMIC_HOOKS(uint32_t, 32)
ATOMIC_HOOKS(uint64_t, 64)
PLAIN_HOOKS(1)
PLAIN_HOOKS(2)
PLAIN_HOOKS(4)
PLAIN_HOOKS(8)
PLAIN_HOOKS(16)

void __tsan_init(void) {}
void __tsan_func_entry(void *pc)
{
    (void)pc;
}
void __tsan_func_exit(void) {}

static long futex(const long *a, const void *pc)
{
    enum { OP_WAKE = 1, OP_WAIT_BITSET = 9, OP_PRIVATE = 128 };
    const bool shared = (a[1] & OP_PRIVATE) == 0;
    const bool wakes_up = (a[1] & ~OP_PRIVATE) == OP_WAKE;
    const int64_t *const time = wakes_up ? NULL : (const int64_t *)a[3];
    x_check(wakes_up || ((a[1] & ~OP_PRIVATE) == OP_WAIT_BITSET && a[5] == -1),
            "the futex operation is known");
    x_check(wakes_up || shared == ((scenario->flags & SHARED) != 0),
            "a shared group's sleep is shared, a private one's is private");
    x_check(time == NULL ||
                (time[0] >= 0 && time[1] >= 0 && time[1] < 1000000000),
            "the deadline is valid");
    const int64_t deadline_ns =
        time == NULL ? INT64_MAX : time[0] * 1000000000 + time[1];
    return (long)stop_for(
        (struct op){.kind = wakes_up ? WAKE : WAIT,
                    .where = find((void *)a[0], 4),
                    .shared = shared,
                    .nap = deadline_ns - current->now < NAP_NS,
                    .operand = (uint64_t)a[2],
                    .pc = pc,
                    .deadline_ns = deadline_ns});
}

static void panic(const char *line, size_t size)
{
    char text[100];
    void *object;
    int counter, end = 0;
    unsigned waiters;
    x_check(sscanf(line, "wg: %99[^(](wg %p, counter %d, waiters %u)%n", text,
                   &object, &counter, &waiters, &end) == 4 &&
                (size_t)end + 1 == size && line[end] == '\n',
            "the line is as documented");
    text[strlen(text) - 1] = '\0';
    snprintf(outcome, sizeof outcome, "abort: %s", text);
}

long syscall(long number, ...)
{
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(arguments, long);
    va_end(arguments);
    switch (number) {
    case SYS_futex:
        return futex(a, PC);
    case SYS_write:
        x_check(a[0] == 2, "the line goes to standard error");
        panic((const char *)a[1], (size_t)a[2]);
        return (long)stop_for((struct op){
            .kind = PANIC, .where = -1, .operand = (uint64_t)a[2], .pc = PC});
    default:
        fail("unknown system call", "", PC);
        return -1;
    }
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    x_check(clock == CLOCK_MONOTONIC, "the clock is monotonic");
    if ((scenario->flags & TIMED) != 0)
        return (int)stop_for(
            (struct op){.kind = CLOCK, .where = -1, .out = time, .pc = PC});
    const int64_t now = current->now; /* it stands */
    *time = (struct timespec){now / 1000000000, now % 1000000000};
    errno = SPOILT_ERRNO;
    return 0;
}

void abort(void)
{
    x_check(strncmp(outcome, "abort: ", 7) == 0, "a line before the abort");
    aborted = true;
    leave();
}

void x_check(bool ok, const char *text)
{
    if (!ok)
        fail("not so: ", text, PC);
}

void x_outcome(const char *text)
{
    snprintf(outcome, sizeof outcome, "%s", text);
}

void x_free(void *object, size_t size)
{
    dead = object;
    dead_end = dead + size;
    for (int i = 0; variables[i].name != NULL; i++)
        for (int u = 0; is_dead(i) && u < THREADS; u++)
            if (cells[i].last[u] > current->view.clock[u])
                fail("freed, but not all accesses happen before that: ",
                     variables[i].name, PC);
}

void x_poll(void)
{
    stop_for((struct op){.kind = POLL, .where = -1, .pc = PC});
}

int64_t x_now(void)
{
    return current->now;
}

unsigned x_wakes(void)
{
    return wakes;
}

bool x_napped(void)
{
    return napped;
}
