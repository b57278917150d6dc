/* See report.h. */
#include "executor/report.h"

#include <tacet/handover.h>

#include <stdarg.h>
#include <stdio.h>

void executor_report(const struct executor *executor, const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (executor->report != NULL)
        executor->report(executor->report_arg, message);
    else
        fprintf(stderr, "tacet: %s\n", message);
}

void tacet_executor_tell(const struct tacet_executor *executor, const char *line)
{
    executor_report(executor_of(executor), "%s", line);
}
