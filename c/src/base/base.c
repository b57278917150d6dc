/* The version, and where a broken internal invariant ends the program. */
#include <tacet/base.h>

#include <stdio.h>
#include <stdlib.h>

const char *tacet_version(void)
{
    return TACET_VERSION;
}

void tacet_assertion_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "tacet: %s:%d: broken invariant: %s\n", file, line, condition);
    abort();
}
