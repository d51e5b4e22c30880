/*
 * after.c - warnings are as they were before the header
 *
 * Exactly the lines that end in "// warns" get a warning; "// warns in C++" and
 * "// warns in gcc's C++" if compiled so. Of the header itself, none does.
 */
#pragma GCC diagnostic ignored "-Wunused-label"
#include "wg.h"

int after(const char *text, double number, int *pointer);

static int never_called(void) // warns
{
    return 0;
}

int after(const char *text, double number, int *pointer)
{
    int unused;                 // warns
    char *bytes = (char *)text; // warns
    int rounded = number;       // warns
    unsigned sign = rounded;    // warns
    if (bytes) {
        int rounded = 1;           // warns
        sign += (unsigned)rounded; // warns in C++
    }
ignored:
    pointer = 0; // warns in C++
#ifdef __cplusplus
    rounded = int(rounded); // warns in gcc's C++
#endif
    return pointer ? rounded : -1;
}
