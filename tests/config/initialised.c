/*
 * initialised.c - what the initialisers leave in memory, and when
 *
 * early.c adds 1 to each of these groups before main, and before any other
 * start-up code.
 */
#include "initialised.h"

#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
#include <new>
#define MAKE(memory, initialiser) (void)new (memory) wg_t initialiser
#else
#define MAKE(memory, initialiser) (*(wg_t *)(memory) = (wg_t)initialiser)
#endif

#define CHECK(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))

static int status;

static void fail(int line, const char *condition)
{
    printf("initialised.c:%d: not so: %s\n", line, condition);
    status = 1;
}

wg_t by_macro = WG_INIT;
wg_t by_macro_shared = WG_INIT_SHARED;
wg_t several[2] = {WG_INIT, WG_INIT_SHARED};
struct task task = {1, WG_INIT};
struct task task_shared = {2, WG_INIT_SHARED};

wg_t *local(void)
{
    static wg_t wg = WG_INIT;
    return &wg;
}

wg_t *local_shared(void)
{
    static wg_t wg = WG_INIT_SHARED;
    return &wg;
}

/* Nobody uses these. */
static wg_t unused = WG_INIT;
static wg_t unused_shared = WG_INIT_SHARED;

static bool same(const void *one, const void *other)
{
    return memcmp(one, other, sizeof(wg_t)) == 0;
}

static void check_memory(unsigned char garbage)
{
    static const char zeros[sizeof(wg_t)] = {0};
    union {
        uint64_t for_alignment;
        char bytes[sizeof(wg_t)];
    } memory;
    void *const bytes = memory.bytes;
    wg_t *const wg = (wg_t *)bytes;

    CHECK(same(&unused, zeros)); /* so zeros are a private group */
    CHECK(!same(&unused_shared, zeros));
    memset(bytes, garbage, sizeof memory);
    wg_init(wg);
    CHECK(same(bytes, &unused));
    memset(bytes, garbage, sizeof memory);
    wg_init_shared(wg);
    CHECK(same(bytes, &unused_shared));
    wg_init(wg);
    CHECK(same(bytes, &unused));
    memset(bytes, garbage, sizeof memory);
    MAKE(bytes, WG_INIT);
    CHECK(same(bytes, &unused));
    memset(bytes, garbage, sizeof memory);
    MAKE(bytes, WG_INIT_SHARED);
    CHECK(same(bytes, &unused_shared));
}

/* A shared group is as new once its round is over. A private one is not: it has
   the mark of its address. */
static void check_early(wg_t *wg, bool shared)
{
    CHECK(wg_count(wg) == 1);
    CHECK(wg_done(wg));
    CHECK(same(wg, &unused_shared) == shared);
}

int main(void)
{
    check_memory(0xff);
    check_memory(0x5a);
    check_early(&by_macro, false);
    check_early(&by_macro_shared, true);
    check_early(&several[0], false);
    check_early(&several[1], true);
    check_early(&task.wg, false);
    check_early(&task_shared.wg, true);
    check_early(local(), false);
    check_early(local_shared(), true);
    CHECK(task.number == 1 && task_shared.number == 2);
    if (status == 0)
        puts("initialised");
    return status;
}
