/* What a negative errno cannot say all of: a line to whoever the executor's options name, else to stderr. */
#ifndef EXECUTOR_REPORT_H
#define EXECUTOR_REPORT_H

#include "executor/executor.h"

TACET_COLD __attribute__((format(printf, 2, 3))) void executor_report(const struct executor *executor,
                                                                      const char *format, ...);

#endif
