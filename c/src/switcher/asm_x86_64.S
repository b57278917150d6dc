/*
 * The switch between two stacks, x86-64 System V.
 *
 * A suspended stack, from its saved stack pointer upwards:
 *   [sp+0] mxcsr  [sp+4] x87 control word  [sp+8] r15  [sp+16] r14  [sp+24] r13  [sp+32] r12  [sp+40] rbx  [sp+48] rbp
 *   [sp+56] return address
 * A context: [+0] its stack pointer, [+8] that of its resumer.
 *
 * Leaving is by a jump, not a return: the processor's return predictor knows only the stack that called. For the same
 * reason the callers in C end in a jump to these functions, so that no return is executed between two switches.
 *
 * Reading the floating-point control words costs as much as all the rest of a switch, loading them next to nothing. So the
 * resumer's are read once, by who calls (see control_words()), and only a context's own at each of its suspensions.
 */
#if defined(__x86_64__)

    .text

.macro save_registers
    endbr64
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
.endm

.macro restore_control_words
    ldmxcsr 0(%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
.endm

.macro restore_registers
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
.endm

.macro jump_back
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    notrack jmp *%rcx
.endm

.macro begin name
    .globl \name
    .hidden \name
    .type \name, @function
    .p2align 4
\name:
    .cfi_startproc
.endm

.macro end name
    .cfi_endproc
    .size \name, . - \name
.endm

/* void tacet_asm_resume(struct tacet_context *context, int64_t value, uint64_t control_words)
 * rax = value on the context's side; control_words: the resumer's, as they lie on the stack. */
    begin tacet_asm_resume
    save_registers
    pushq %rdx
    .cfi_adjust_cfa_offset 8
    movq %rsp, 8(%rdi)
    movq 0(%rdi), %rsp
    movq %rsi, %rax
    restore_control_words
    restore_registers
    jump_back
    end tacet_asm_resume

/* int64_t tacet_asm_suspend(struct tacet_context *context) */
    begin tacet_asm_suspend
    save_registers
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr 0(%rsp)
    fnstcw 4(%rsp)
    movq %rsp, 0(%rdi)
    movq 8(%rdi), %rsp
    restore_control_words
    restore_registers
    jump_back
    end tacet_asm_suspend

/* void tacet_asm_finish(struct tacet_context *context): to the resumer for good, and on its stack to tacet_asm_after. */
    begin tacet_asm_finish
    movq 8(%rdi), %rsp
    .cfi_def_cfa rsp, 64
    .cfi_offset rip, -8
    .cfi_offset rbp, -16
    .cfi_offset rbx, -24
    .cfi_offset r12, -32
    .cfi_offset r13, -40
    .cfi_offset r14, -48
    .cfi_offset r15, -56
    restore_control_words
    restore_registers
    jmp tacet_asm_after
    end tacet_asm_finish

/* The first frame of a context, which r12 holds. Nobody called it: the unwinder stops here. */
    begin tacet_asm_first_frame
    .cfi_undefined rip
    endbr64
    xorl %ebp, %ebp
    movq %r12, %rdi
    call tacet_asm_main
    ud2
    end tacet_asm_first_frame

#endif

    .section .note.GNU-stack, "", @progbits
