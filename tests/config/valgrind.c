/*
 * valgrind.c - what Helgrind and DRD are told by WG_VALGRIND
 *
 * fake/valgrind/helgrind.h notes each request, with the counter as it is then.
 */
#define WG_VALGRIND
#define WG_SPIN 0
#ifdef __cplusplus
extern "C" {
#endif
#include "valgrind/helgrind.h"
#ifdef __cplusplus
}
#endif
#include <stdbool.h>
#include <stdint.h>

static int done_meanwhile(void);
#define WG_FUTEX_WAIT(word, expected, deadline, shared) done_meanwhile()
#define WG_FUTEX_WAKE(word, shared) ((void)(word))
#define WG_NOW_NS() done_meanwhile()
#include "wg.h"

#include <stdio.h>
#include <string.h>

static wg_t group;
static char noted[256];
static const volatile void *order; /* the address that stands for the order */

void note(char request, const volatile void *address, unsigned long size)
{
    char text[32];
    if (request == 'd')
        snprintf(text, sizeof text, "d%lu%s ", size,
                 address == (void *)&group ? "" : " of another");
    else
        snprintf(text, sizeof text, "%c%d%s ", request, wg_count(&group),
                 order == NULL || order == address ? "" : " of another");
    if (request != 'd')
        order = address;
    strncat(noted, text, sizeof noted - strlen(noted) - 1);
}

/* Another thread's done, while this one sleeps or asks for the time. What comes
   before it, no wait is promised to note. */
static int done_meanwhile(void)
{
    noted[0] = '\0';
    wg_done(&group);
    return 0;
}

/* What has been noted since the last of these is this, in this order. */
static int status;

static void expect(int line, const char *text)
{
    if (strcmp(noted, text) != 0) {
        printf("valgrind.c:%d: noted \"%s\", not \"%s\"\n", line, noted, text);
        status = 1;
    }
    noted[0] = '\0';
}

#define EXPECT(text) expect(__LINE__, text)

int main(void)
{
    wg_init(&group);
    wg_add(&group, 2);
    (void)wg_count(&group);
    EXPECT("");
    (void)!wg_try_add(&group, 1);
    EXPECT("");
    wg_done(&group); /* before it is seen, and after it has seen the others */
    EXPECT("d16 <3 >2 ");
    wg_add(&group, -2);
    EXPECT("d16 <2 >0 ");
    (void)wg_try_wait(&group);
    EXPECT(">0 ");
    wg_wait(&group);
    EXPECT(">0 ");
    (void)!wg_wait_for(&group, 1);
    EXPECT(">0 ");
    wg_add(&group, 1);
    wg_wait(&group); /* sleeps */
    EXPECT("d16 <1 >0 >0 ");
    wg_add(&group, 1);
    (void)!wg_wait_for(&group, 1); /* finds it done before it can sleep */
    EXPECT("d16 <1 >0 >0 ");
    wg_close(&group);
    EXPECT("d16 <0 ");
    (void)!wg_try_add(&group, 1);
    EXPECT(">0 ");
    if (status == 0)
        puts("noted");
    return status;
}
