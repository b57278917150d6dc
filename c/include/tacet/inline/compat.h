/*
 * What the kernel has and liburing 2.3 does not name yet. Values are the kernel's (include/uapi/linux/io_uring.h);
 * whether the running kernel has them is probed at run time.
 */
#ifndef TACET_INLINE_COMPAT_H
#define TACET_INLINE_COMPAT_H

#if !defined(_GNU_SOURCE) && defined(__STRICT_ANSI__)
#error "tacet's headers need -std=gnu11, -std=gnu17 or C++20 (or _GNU_SOURCE defined)"
#endif

#include <liburing.h>

enum {
    TACET_OPCODE_WAITID = 50,     /* IORING_OP_WAITID, Linux 6.7 */
    TACET_OPCODE_FUTEX_WAIT = 51, /* IORING_OP_FUTEX_WAIT, Linux 6.7, like the two below */
    TACET_OPCODE_FUTEX_WAKE = 52,
    TACET_OPCODE_FUTEX_WAITV = 53,
    TACET_OPCODE_FTRUNCATE = 55,    /* IORING_OP_FTRUNCATE, Linux 6.9 */
    TACET_OPCODE_BASELINE = 36,     /* IORING_OP_UNLINKAT: whatever has IORING_FEAT_EXT_ARG has the opcodes up to it */
    TACET_FUTEX_U32 = 2,            /* FUTEX2_SIZE_U32 */
    TACET_FUTEX_PRIVATE = 128,      /* FUTEX2_PRIVATE */
    TACET_FEAT_NO_IOWAIT = 1 << 17, /* IORING_FEAT_NO_IOWAIT, Linux 6.15 */
    TACET_ENTER_NO_IOWAIT = 1 << 7, /* IORING_ENTER_NO_IOWAIT */
    TACET_REGISTER_SEND_MSG_RING = 31, /* IORING_REGISTER_SEND_MSG_RING, Linux 6.13 */
};

#endif
