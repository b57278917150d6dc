/*
 * What every other header stands on: the result type, attributes, limits, the three tiers of assertion.
 *
 * Public headers compile as C (gnu11 and later) and as C++20. No public struct contains an `_Atomic` member, so that
 * C, C++ and binding generators agree on every layout. Layout in `inline/` is not API; it may change with any version.
 */
#ifndef TACET_BASE_H
#define TACET_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TACET_VERSION_MAJOR 0
#define TACET_VERSION_MINOR 1
#define TACET_VERSION_PATCH 0
#define TACET_VERSION "0.1.0"

#define TACET_EXPORT __attribute__((visibility("default")))
#define TACET_NODISCARD __attribute__((warn_unused_result))
#define TACET_NOINLINE __attribute__((noinline))
#define TACET_COLD __attribute__((cold, noinline))
#define TACET_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define TACET_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define TACET_CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/*
 * Assertions guard what the caller promised and what we promise ourselves, never what the world may do. A build without
 * them assumes nothing of them. Cheap ones are on with -Dchecks=on, those that walk data with -Dchecks=full.
 */
#ifndef TACET_CHECKS
#define TACET_CHECKS 0
#endif
#if TACET_CHECKS >= 1
#define TACET_ASSERT(condition) ((condition) ? (void)0 : tacet_assertion_failed(#condition, __FILE__, __LINE__))
#else
#define TACET_ASSERT(condition) ((void)sizeof((condition) ? 1 : 0))
#endif
#if TACET_CHECKS >= 2
#define TACET_ASSERT_FULL(condition) TACET_ASSERT(condition)
#else
#define TACET_ASSERT_FULL(condition) ((void)sizeof((condition) ? 1 : 0))
#endif

/* Sanitizers that must be told of switches between stacks: 1 where the compiler instruments for them. */
#if defined(__SANITIZE_ADDRESS__)
#define TACET_ADDRESS_SANITIZER 1
#endif
#if defined(__SANITIZE_THREAD__)
#define TACET_THREAD_SANITIZER 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TACET_ADDRESS_SANITIZER 1
#endif
#if __has_feature(thread_sanitizer)
#define TACET_THREAD_SANITIZER 1
#endif
#endif
#ifndef TACET_ADDRESS_SANITIZER
#define TACET_ADDRESS_SANITIZER 0
#endif
#ifndef TACET_THREAD_SANITIZER
#define TACET_THREAD_SANITIZER 0
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A value >= 0, or a negative errno. */
typedef int64_t tacet_result;

/* What the body of a `stackless` task returns to be called again when what it waits for has come. No errno, no value. */
#define TACET_PENDING INT64_MIN

/* Nanoseconds: wait without end. */
#define TACET_FOREVER UINT64_MAX

/* CPU priorities are strict: a ready task of a higher level always runs before one of a lower level. */
enum tacet_priority {
    TACET_PRIORITY_HIGH = 0,
    TACET_PRIORITY_NORMAL = 1,
    TACET_PRIORITY_LOW = 2,
    TACET_PRIORITY_COUNT = 3,
};

TACET_EXPORT __attribute__((noreturn)) void tacet_assertion_failed(const char *condition, const char *file, int line);

/* The version of the library that is linked, e.g. "0.1.0". */
TACET_EXPORT const char *tacet_version(void);

#ifdef __cplusplus
}
#endif

#endif
