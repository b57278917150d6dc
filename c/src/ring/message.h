/* Where executor creation explains a failure. */
#ifndef RING_MESSAGE_H
#define RING_MESSAGE_H

#include <tacet/executor.h>

__attribute__((format(printf, 2, 3))) void message_set(const struct tacet_executor_options *options, const char *format,
                                                       ...);

#endif
