/*
 * uint64_t test_registers(void (*call)(void *), void *arg, uint64_t pattern)
 *
 * Fills the callee-saved registers x19-x28 and d8-d15 from the pattern, makes the call, and returns the bits in which any of
 * them differs from what it was. Stack: [sp+0] x29 x30, [sp+16] x19-x28, [sp+96] d8-d15, [sp+160] pattern.
 */
    .text
    .globl test_registers
    .type test_registers, %function
    .p2align 4
test_registers:
    hint #34 /* bti c */
    stp x29, x30, [sp, #-176]!
    mov x29, sp
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    str x2, [sp, #160]
    mov x9, x0
    mov x0, x1
.irp number, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
    add x\number, x2, #\number
.endr
.irp number, 8, 9, 10, 11, 12, 13, 14, 15
    add x10, x2, #\number
    fmov d\number, x10
.endr
    blr x9
    ldr x2, [sp, #160]
    mov x0, #0
.irp number, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
    add x10, x2, #\number
    eor x10, x10, x\number
    orr x0, x0, x10
.endr
.irp number, 8, 9, 10, 11, 12, 13, 14, 15
    add x10, x2, #\number
    fmov x11, d\number
    eor x10, x10, x11
    orr x0, x0, x10
.endr
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #176
    ret
    .size test_registers, . - test_registers

    .section .note.GNU-stack, "", %progbits
