#define _POSIX_C_SOURCE 200809L
#include "script.h"
#include "check.h"

#include <string.h>
#include <unistd.h>

struct script script;

int script_wait(void *word, uint32_t expected, int64_t deadline_ns, bool shared)
{
    script.waits++;
    script.word = word;
    script.expected = expected;
    script.deadline_ns = deadline_ns;
    script.shared = shared;
    if (script.on_wait == NULL)
        fail_msg("it sleeps, and nobody is there to wake it");
    if (script.waits > 10000)
        fail_msg("it sleeps again and again");
    return script.on_wait();
}

void script_wake(void *word, bool shared)
{
    script.wakes++;
    script.word = word;
    script.shared = shared;
    if (script.on_wake != NULL)
        script.on_wake();
}

int64_t script_now_ns(void)
{
    script.clocks++;
    if (script.on_clock != NULL)
        script.on_clock();
    return script.now_ns;
}

void script_pause(void)
{
    script.pauses++;
    if (script.on_pause != NULL)
        script.on_pause();
}

/* ---- Misuse ---- */

static struct {
    bool awaited;
    int writes;
    char line[256];
    jmp_buf aborted;
} misuse;

void script_reset(void)
{
    script = (struct script){.now_ns = 1000000000};
    misuse.awaited = false; /* a test that failed may have left it */
}

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
void __real_abort(void);
void __wrap_abort(void);

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    int cancellation;
    if (!misuse.awaited)
        return __real_write(fd, data, size);
    assert_int_equal(fd, STDERR_FILENO);
    assert_in_range(size, 1, sizeof misuse.line - 1);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &cancellation);
    assert_int_equal(cancellation, PTHREAD_CANCEL_DISABLE);
    memcpy(misuse.line, data, size);
    misuse.line[size] = '\0';
    misuse.writes++;
    return 1; /* the rest found no room, and is not to follow */
}

void __wrap_abort(void)
{
    if (!misuse.awaited)
        __real_abort();
    longjmp(misuse.aborted, 1);
}

const char *line_of(void (*call)(void))
{
    misuse.line[0] = '\0';
    misuse.writes = 0;
    misuse.awaited = true;
    if (setjmp(misuse.aborted) == 0) {
        call();
        assert_int_equal(misuse.writes, 0); /* or it has to abort */
    } else {
        assert_int_equal(misuse.writes, 1);
    }
    misuse.awaited = false;
    return misuse.line;
}
