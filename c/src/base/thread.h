/* Threads of the library: signals are for the program's own, so they block all but those that a fault raises. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>

/* As pthread_create(), whose error it returns. */
int thread_start(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *arg), void *arg);

#endif
