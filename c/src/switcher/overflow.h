/* Says which task or context has overflowed its stack; see tacet_switcher_report_overflows(). */
#ifndef SWITCHER_OVERFLOW_H
#define SWITCHER_OVERFLOW_H

/* There is a guarded stack now. */
void overflow_watch(void);

/* This thread may come to run on one. */
void overflow_enter_thread(void);

#endif
