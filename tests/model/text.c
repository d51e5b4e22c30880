/* Steps and calls as a person reads them. */
#include "world.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

bool tracing;

const char *const call_names[CALLS] = {
    [INIT] = "wg_init",
    [INIT_SHARED] = "wg_init_shared",
    [STATIC] = "WG_INIT",
    [STATIC_SHARED] = "WG_INIT_SHARED",
    [ADD] = "wg_add",
    [DONE] = "wg_done",
    [DEFER_DONE] = "WG_DEFER_DONE",
    [WAIT] = "wg_wait",
    [TRY_WAIT] = "wg_try_wait",
    [WAIT_FOR] = "wg_wait_for",
    [WAIT_UNTIL] = "wg_wait_until",
    [CLOSE] = "wg_close",
    [TRY_ADD] = "wg_try_add",
    [GO] = "wg_go",
    [COUNT] = "wg_count",
    [RUN_JOB] = "wg_go's thread",
};
static const char *const languages[] = {"C", "C, pauses", "C++", "C++, pauses"};

void print(const char *format, ...)
{
    va_list values;
    if (!tracing)
        return;
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
}

const char *number(int64_t n)
{
    static char texts[4][32];
    static int i;
    static const struct {
        int64_t value;
        const char *name;
    } names[] = {{INT64_MAX, "INT64_MAX"},
                 {INT64_MIN, "INT64_MIN"},
                 {INT32_MAX, "INT32_MAX"},
                 {INT32_MIN, "INT32_MIN"}};
    for (size_t name = 0; name < sizeof names / sizeof *names; name++)
        if (n == names[name].value)
            return names[name].name;
    i = (i + 1) % 4;
    snprintf(texts[i], sizeof texts[i], "%" PRId64, n);
    return texts[i];
}

char letter(int group)
{
    return (char)('a' + group);
}

void print_call(const struct step *step)
{
    const char *const name = call_names[step->call];
    const char *const how = step->b == RUNS        ? "runs at once"
                            : step->b == IS_KEPT   ? "runs later"
                            : step->b == NO_MEMORY ? "no memory"
                            : step->b == EAGAIN    ? "EAGAIN"
                                                   : "ENOMEM";
    print("%*s%s(%c", 4 + 4 * depth, "", name, letter(step->group));
    switch (step->call) {
    case ADD:
    case TRY_ADD:
    case WAIT_FOR:
        print(", %s", number(step->a));
        break;
    case WAIT_UNTIL:
        print(", %s s %s ns", number(step->a), number(step->b));
        break;
    case GO:
        print(", %s", how);
        break;
    default:
        break;
    }
    print(")  in %s", languages[step->caller]);
    if (step->clock_failure < 0)
        print(", the clock fails");
}

void print_other(const struct step *step)
{
    static const char *const fills[] = {
        [ZEROS] = "zeros",
        [BAD_MARK] = "a bad mark",
        [BAD_WORD] = "a bad word",
        [BAD_BYTE] = "a bad byte",
        [WAITERS_ONLY] = "waiters but no mark",
        [COUNTER_ONLY] = "a counter but no mark",
    };
    static const char *const ends[] = {"woken", "time is up", "refused"};
    const char name = letter(step->group);
    print("%*s", 4 + 4 * depth, "");
    switch (step->kind) {
    case COPY:
        print("%c = %c", name, letter(step->from));
        break;
    case FILL:
        print("%c is memory with %s", name, fills[step->b]);
        break;
    case OTHERS_WAIT:
        print("%s others wait for %c, %s", number(step->a), name,
              step->b ? "asleep" : "looking");
        break;
    case OTHERS_LEAVE:
        print("the others leave %c", name);
        break;
    case PASS:
        print("%s ns pass", number(step->a));
        break;
    case END:
        print("%s (%d)", ends[step->end], step->value);
        break;
    case CALL:
        break;
    }
    print("\n");
}

/* What the model expects, for a person. */
const char *expected(const struct frame *f)
{
    static char text[300];
    const struct answer *const answer = &f->answer;
    const int group = f->step->group;
    if (answer->what == ABORTS)
        snprintf(text, sizeof text,
                 "wg: %s (wg %p, counter %" PRId64 ", waiters %u)",
                 texts[answer->text], objects[group], answer->counter,
                 (unsigned)answer->waiters);
    else
        snprintf(
            text, sizeof text, "%s %s",
            answer->what == SLEEPS ? "sleeps until" : "returns",
            number(answer->what == SLEEPS ? answer->deadline : answer->result));
    return text;
}
