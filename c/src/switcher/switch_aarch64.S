/*
 * The switch between two stacks, AArch64 (AAPCS64). Interface: switch.h.
 *
 * A suspended stack, from its saved stack pointer upwards:
 *   [sp+0] fpcr  [sp+8] errno  [sp+16] x19 .. x28  [sp+96] x29  [sp+104] x30, the return address  [sp+112] d8 .. d15
 * A resumer's: the same without errno, which it does not expect to keep.
 *
 * Leaving is by a jump, not a return: the processor's return predictor knows only the stack that called. Where branch
 * targets are enforced (BTI) only a return may go to where no landing pad is. x30 is neither signed nor checked here: who
 * signs it, the caller, does so with a stack pointer that is the same when it comes back.
 *
 * Writing fpcr may drain the pipeline, so it is only written where the two sides differ.
 */
#if defined(__aarch64__)

#define FRAME_BYTES 176
#define BTI_C hint #34
#define BTI_JC hint #38

    .text

.macro save_registers
    BTI_C
    sub sp, sp, #FRAME_BYTES
    .cfi_def_cfa_offset FRAME_BYTES
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp x29, x30, [sp, #96]
    stp d8, d9, [sp, #112]
    stp d10, d11, [sp, #128]
    stp d12, d13, [sp, #144]
    stp d14, d15, [sp, #160]
    registers_are_saved
.endm

.macro registers_are_saved
    .cfi_rel_offset x19, 16
    .cfi_rel_offset x20, 24
    .cfi_rel_offset x21, 32
    .cfi_rel_offset x22, 40
    .cfi_rel_offset x23, 48
    .cfi_rel_offset x24, 56
    .cfi_rel_offset x25, 64
    .cfi_rel_offset x26, 72
    .cfi_rel_offset x27, 80
    .cfi_rel_offset x28, 88
    .cfi_rel_offset x29, 96
    .cfi_rel_offset x30, 104
    .cfi_rel_offset d8, 112
    .cfi_rel_offset d9, 120
    .cfi_rel_offset d10, 128
    .cfi_rel_offset d11, 136
    .cfi_rel_offset d12, 144
    .cfi_rel_offset d13, 152
    .cfi_rel_offset d14, 160
    .cfi_rel_offset d15, 168
.endm

/* From the word that the side before had, in the given register. */
.macro restore_control_word before
    ldr x10, [sp]
    cmp x10, \before
    b.eq 1f
    msr fpcr, x10
1:
.endm

.macro restore_registers
    ldp x19, x20, [sp, #16]
    .cfi_restore x19
    .cfi_restore x20
    ldp x21, x22, [sp, #32]
    .cfi_restore x21
    .cfi_restore x22
    ldp x23, x24, [sp, #48]
    .cfi_restore x23
    .cfi_restore x24
    ldp x25, x26, [sp, #64]
    .cfi_restore x25
    .cfi_restore x26
    ldp x27, x28, [sp, #80]
    .cfi_restore x27
    .cfi_restore x28
    ldp x29, x30, [sp, #96]
    .cfi_restore x29
    .cfi_restore x30
    ldp d8, d9, [sp, #112]
    .cfi_restore d8
    .cfi_restore d9
    ldp d10, d11, [sp, #128]
    .cfi_restore d10
    .cfi_restore d11
    ldp d12, d13, [sp, #144]
    .cfi_restore d12
    .cfi_restore d13
    ldp d14, d15, [sp, #160]
    .cfi_restore d14
    .cfi_restore d15
    add sp, sp, #FRAME_BYTES
    .cfi_def_cfa_offset 0
.endm

.macro jump_back
#if defined(__ARM_FEATURE_BTI_DEFAULT)
    ret
#else
    br x30
#endif
.endm

.macro begin name
    .globl \name
    .hidden \name
    .type \name, %function
    .p2align 4
\name:
    .cfi_startproc
.endm

.macro end name
    .cfi_endproc
    .size \name, . - \name
.endm

/* void switch_resume(struct switch_words *words, int64_t value, uint64_t control_words, int *errno_location)
 * x0 = value on the context's side. */
    begin switch_resume
    save_registers
    str x2, [sp]
    mov x9, sp
    str x9, [x0, #8]
    ldr x9, [x0]
    mov sp, x9
    ldr w10, [sp, #8]
    str w10, [x3]
    mrs x11, fpcr /* it need not be the resumer's, x2: others may have run since that was read */
    restore_control_word x11
    mov x0, x1
    restore_registers
    jump_back
    end switch_resume

/* int64_t switch_suspend(struct switch_words *words, const int *errno_location) */
    begin switch_suspend
    save_registers
    mrs x11, fpcr
    ldr w10, [x1]
    stp x11, x10, [sp]
    mov x9, sp
    str x9, [x0]
    ldr x9, [x0, #8]
    mov sp, x9
    restore_control_word x11
    restore_registers
    jump_back
    end switch_suspend

/* void switch_finish(const struct switch_words *words) */
    begin switch_finish
    BTI_C
    ldr x9, [x0, #8]
    mov sp, x9
    .cfi_def_cfa_offset FRAME_BYTES
    registers_are_saved
    mrs x11, fpcr
    restore_control_word x11
    restore_registers
    jump_back
    end switch_finish

/* The first frame of a context: x19 the context, x20 its entry. Nobody called it: the unwinder stops here. */
    begin switch_first
    .cfi_undefined x30
    nop /* unwinders look for the instruction before a return address */
switch_first_begin:
    BTI_JC
    mov x29, xzr
    mov x0, x19
    bl switch_started
    mov x0, x19
    blr x20
    mov x0, x19
    bl switch_ended
    brk #1
    end switch_first

/* void *switch_first_frame(char *top, struct tacet_context *context, tacet_context_entry *entry)
 * The stack pointer is top when switch_first begins. */
    begin switch_first_frame
    BTI_C
    sub x0, x0, #FRAME_BYTES
    stp xzr, xzr, [x0]
    stp x1, x2, [x0, #16]
    stp xzr, xzr, [x0, #32]
    stp xzr, xzr, [x0, #48]
    stp xzr, xzr, [x0, #64]
    stp xzr, xzr, [x0, #80]
    adr x9, switch_first_begin
    stp xzr, x9, [x0, #96]
    stp xzr, xzr, [x0, #112]
    stp xzr, xzr, [x0, #128]
    stp xzr, xzr, [x0, #144]
    stp xzr, xzr, [x0, #160]
    ret
    end switch_first_frame

#if defined(__ARM_FEATURE_BTI_DEFAULT)
    .section .note.gnu.property, "a"
    .p2align 3
    .word 4, 16, 5 /* sizes of the name and of what follows it; NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .word 0xc0000000, 4, 1, 0 /* GNU_PROPERTY_AARCH64_FEATURE_1_AND, its size, BTI, padding */
#endif

#endif

    .section .note.GNU-stack, "", %progbits
