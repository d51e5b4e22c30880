/* A group that version 1 and this version of the header share. The mark has
   another hash, and "shared" another place, so neither takes the other's group
   for its own: each mix ends in the text for copies, and none hangs. */
#include "check.h"
#include "wg.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Version 1, as far as it matters here ---- */

/* The same bits of state, but the mark is made of tag, and 0 if shared. The
   word that is slept on is 0, or 1 once the round is over. */
struct v1 {
    _Atomic uint64_t state;
    _Atomic uint32_t released;
    _Atomic uint32_t tag; /* 0: unused; 1: shared; else of the address */
};

static struct v1 *v1(wg_t *wg)
{
    return (struct v1 *)(void *)wg;
}

static uint32_t v1_tag(wg_t *wg)
{
    return (uint32_t)((uintptr_t)wg >> 3);
}

static uint64_t v1_mark(wg_t *wg)
{
    return ((v1_tag(wg) * 0x9e3779b9U) & 0x7ff00000) | 1 << 20;
}

static void v1_init_shared(wg_t *wg)
{
    memset((void *)wg, 0, sizeof *wg);
    v1(wg)->tag = 1;
}

/* Returns the mark: 0 if it is shared. */
static uint64_t v1_claim(wg_t *wg)
{
    uint32_t tag = 0;
    if (!atomic_compare_exchange_strong(&v1(wg)->tag, &tag, v1_tag(wg)) &&
        tag != v1_tag(wg) && tag != 1)
        wg_panic_copied_(wg, v1(wg)->state); /* it has the same text */
    return tag == 1 ? 0 : v1_mark(wg);
}

static void v1_add(wg_t *wg, int delta)
{
    const uint64_t ones = (uint64_t)(int64_t)delta << 32;
    const uint64_t old = atomic_fetch_add(&v1(wg)->state, ones);
    if ((old & 0x7ff00000) != 0 && (old & 0x7ff00000) != v1_mark(wg))
        wg_panic_copied_(wg, old);
    if ((old + ones) >> 32 == 0 && (old & 0xfffff) != 0) {
        v1(wg)->released = 1;
        syscall(SYS_futex, &v1(wg)->released, FUTEX_WAKE, INT32_MAX, NULL, NULL,
                0);
    } else if (delta > 0 && (old & 0x7ff00000) == 0) {
        atomic_fetch_or(&v1(wg)->state, v1_claim(wg));
    }
}

static void v1_wait(wg_t *wg)
{
    v1_claim(wg);
    uint64_t state = v1(wg)->state;
    do {
        if (state >> 32 == 0)
            return;
    } while (!atomic_compare_exchange_weak(&v1(wg)->state, &state, state + 1));
    while (v1(wg)->released == 0)
        syscall(SYS_futex, &v1(wg)->released, FUTEX_WAIT, 0, NULL, NULL, 0);
    state = v1(wg)->state;
    do {
        if ((state & 0xfffff) == 1)
            v1(wg)->released = 0;
    } while (!atomic_compare_exchange_weak(&v1(wg)->state, &state, state - 1));
}

/* ---- Mixed ---- */

static void (*init)(wg_t *);     /* by either version, private or shared */
static void (*add)(wg_t *, int); /* by one version, */
static void (*use)(wg_t *);      /* by the other */
static void (*wait)(wg_t *);     /* by either, before use; NULL: nobody waits */

/* An address at which the two marks differ, as they do at all but 1 of 1024. */
static wg_t *group(void)
{
    static wg_t groups[4];
    int i = 0;
    while (i < 3 && v1_mark(&groups[i]) == wg_mark_(&groups[i]))
        i++;
    return &groups[i];
}

static void *run_wait(void *wg)
{
    wait(wg);
    return NULL;
}

static void mix(void)
{
    wg_t *const wg = group();
    init(wg);
    add(wg, 1);
    if (wait != NULL) {
        const pthread_t waiter = start(run_wait, wg);
        UNTIL(WAITERS(wg) == 1);
        use(wg);
        join(waiter);
    } else {
        use(wg);
    }
}

static void v1_done(wg_t *wg)
{
    v1_add(wg, -1);
}

static void done(wg_t *wg)
{
    wg_done(wg);
}

static void add_one(wg_t *wg)
{
    wg_add(wg, 1);
}

static void close_and_wait(wg_t *wg)
{
    wg_close(wg);
    wg_wait(wg);
}

static void try_add(wg_t *wg)
{
    (void)!wg_try_add(wg, 1);
}

static void aborts(void (*by_init)(wg_t *), void (*by_add)(wg_t *, int),
                   void (*by_wait)(wg_t *), void (*by_use)(wg_t *))
{
    init = by_init;
    add = by_add;
    wait = by_wait;
    use = by_use;
    expect_panic(mix, "copied or moved after first use, or never initialised",
                 by_wait != NULL ? "counter 1, waiters 1"
                                 : "counter 1, waiters 0");
}

static void version_1_adds(void **state)
{
    static void (*const inits[])(wg_t *) = {wg_init, v1_init_shared};
    (void)state;
    for (int i = 0; i < 2; i++) {
        aborts(inits[i], v1_add, NULL, done);
        aborts(inits[i], v1_add, NULL, wg_wait);
        aborts(inits[i], v1_add, NULL, add_one);
        aborts(inits[i], v1_add, NULL, try_add);
        aborts(inits[i], v1_add, NULL, close_and_wait);
        aborts(inits[i], v1_add, v1_wait, done);
    }
}

static void this_version_adds(void **state)
{
    static void (*const inits[])(wg_t *) = {wg_init, wg_init_shared};
    (void)state;
    for (int i = 0; i < 2; i++) {
        aborts(inits[i], wg_add, NULL, v1_done);
        aborts(inits[i], wg_add, wg_wait, v1_done);
    }
}

static void version_1_waits_for_this_version(void **state)
{
    (void)state;
    aborts(wg_init, wg_add, v1_wait, done);
    aborts(wg_init_shared, wg_add, v1_wait, done);
}

static void first_add_meets_the_other_kind_of_shared(void **state)
{
    (void)state;
    init = v1_init_shared;
    add = wg_add;
    wait = NULL;
    use = done;
    expect_panic(mix, "copied or moved after first use, or never initialised",
                 "counter 0, waiters 0");
    init = wg_init_shared;
    add = v1_add;
    expect_panic(mix, "copied or moved after first use, or never initialised",
                 "counter 0, waiters 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(version_1_adds),
        TEST(this_version_adds),
        TEST(version_1_waits_for_this_version),
        TEST(first_add_meets_the_other_kind_of_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
