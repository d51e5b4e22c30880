/*
 * object.cpp - a group as a C++ object: how it may be made, and how it may not
 *
 * A line that ends in "// no" must not compile, and all others must. In a wg.h
 * without its guard, which lets everything become a group, each of them does.
 * With -DMADE only the others are there: the groups are initialised before
 * anything runs, so nothing is left to do for a start-up function.
 */
#include "wg.h"

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#if __cplusplus >= 202002L
#define CONSTINIT constinit
#else
#define CONSTINIT
#endif

/* ---- Made ---- */

struct task {
    int number;
    wg_t wg;
};

struct held {
    wg_t wg = WG_INIT;
    wg_t shared = WG_INIT_SHARED;
};

CONSTINIT wg_t by_default;
CONSTINIT wg_t by_braces = {};
CONSTINIT wg_t by_macro = WG_INIT;
CONSTINIT wg_t by_macro_shared = WG_INIT_SHARED;
CONSTINIT wg_t array[3] = {WG_INIT, {}, WG_INIT_SHARED};
CONSTINIT wg_t array_by_default[3];
CONSTINIT task aggregate = {1, WG_INIT};
CONSTINIT task aggregate_by_default = {2, {}};
CONSTINIT task aggregates[2] = {{3, WG_INIT_SHARED}, {4, {}}};
CONSTINIT held holder;
CONSTINIT thread_local wg_t of_thread;

template <typename Type> struct pooled {
    static wg_t wg;
};
template <typename Type> wg_t pooled<Type>::wg = WG_INIT;
template struct pooled<int>;

int count_all()
{
    static wg_t local = WG_INIT;
    static wg_t local_shared = WG_INIT_SHARED;
    wg_t automatic;
    wg_t automatic_by_braces = {};
    wg_t automatic_by_macro = WG_INIT;
    wg_t automatic_shared = WG_INIT_SHARED;
    const wg_t none = WG_INIT;
    return wg_count(&local) + wg_count(&local_shared) + wg_count(&automatic) +
           wg_count(&automatic_by_braces) + wg_count(&automatic_by_macro) +
           wg_count(&automatic_shared) + wg_count(&none) + wg_count(&of_thread);
}

void done_at_end(wg_t *wg)
{
    WG_DEFER_DONE(wg);
}

/* ---- Not made ---- */

#ifndef MADE
void take(const wg_t &wg);
void take_value(wg_t wg);

void copy(wg_t &from, const wg_t &constant, task &work)
{
    wg_t a(from);                    // no
    wg_t b(constant);                // no
    wg_t c = from;                   // no
    wg_t d = constant;               // no
    wg_t e{from};                    // no
    wg_t f = {from};                 // no
    wg_t g(std::move(from));         // no
    from = constant;                 // no
    from = std::move(work.wg);       // no
    from = {};                       // no
    take_value(from);                // no
    auto h = [from] { take(from); }; // no
    (void)h;
}

wg_t copy_to_result(const wg_t &wg)
{
    return wg; // no
}

template <typename From> using to_group = std::is_convertible<From, wg_t>;

void convert(std::uint64_t state, bool truth, void *pointer, wg_bits_ mark)
{
    wg_t a = 5;         // no
    wg_t b(5);          // no
    wg_t c{5};          // no
    wg_t d = {5};       // no
    wg_t e = {5, 0};    // no
    wg_t f(5, 0);       // no
    wg_t g = {0};       // no
    wg_t h = {0, 0};    // no
    wg_t i = state;     // no
    wg_t j = {state};   // no
    wg_t k = truth;     // no
    wg_t l = nullptr;   // no
    wg_t m = pointer;   // no
    wg_t n = mark;      // no
    wg_t o(mark);       // no
    wg_t p = {mark};    // no
    take(5);            // no
    take(state);        // no
    take(truth);        // no
    take(nullptr);      // no
    take(pointer);      // no
    take(mark);         // no
    take(WG_RELEASED_); // no
    take({5});          // no
    take({mark});       // no
}

static_assert(std::is_copy_constructible<wg_t>::value, "");    // no
static_assert(std::is_move_constructible<wg_t>::value, "");    // no
static_assert(std::is_copy_assignable<wg_t>::value, "");       // no
static_assert(std::is_move_assignable<wg_t>::value, "");       // no
static_assert(std::is_copy_constructible<task>::value, "");    // no
static_assert(std::is_copy_assignable<task>::value, "");       // no
static_assert(to_group<int>::value, "");                       // no
static_assert(to_group<long>::value, "");                      // no
static_assert(to_group<std::uint32_t>::value, "");             // no
static_assert(to_group<std::uint64_t>::value, "");             // no
static_assert(to_group<bool>::value, "");                      // no
static_assert(to_group<char>::value, "");                      // no
static_assert(to_group<double>::value, "");                    // no
static_assert(to_group<std::nullptr_t>::value, "");            // no
static_assert(to_group<void *>::value, "");                    // no
static_assert(to_group<const char *>::value, "");              // no
static_assert(to_group<wg_t *>::value, "");                    // no
static_assert(to_group<wg_bits_>::value, "");                  // no
static_assert(to_group<decltype(WG_MARK_SHARED_)>::value, ""); // no
static_assert(to_group<decltype(wg_relaxed_)>::value, "");     // no
#endif
