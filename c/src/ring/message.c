#include "ring/message.h"

#include <stdarg.h>
#include <stdio.h>

void message_set(const struct tacet_executor_options *options, const char *format, ...)
{
    if (options->message == NULL || options->message_bytes == 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(options->message, options->message_bytes, format, arguments);
    va_end(arguments);
}
