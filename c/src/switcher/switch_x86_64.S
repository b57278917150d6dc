/*
 * The switch between two stacks, x86-64 System V. Interface: switch.h.
 *
 * A suspended stack, from its saved stack pointer upwards:
 *   [sp+0] mxcsr  [sp+4] x87 control word  [sp+8] errno  [sp+16] r15  [sp+24] r14  [sp+32] r13  [sp+40] r12  [sp+48] rbx
 *   [sp+56] rbp  [sp+64] return address
 * A resumer's: the same without errno, which it does not expect to keep.
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

.macro restore_control_words bytes
    ldmxcsr 0(%rsp)
    fldcw 4(%rsp)
    addq $\bytes, %rsp
    .cfi_adjust_cfa_offset -\bytes
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

/* void switch_resume(struct switch_words *words, int64_t value, uint64_t control_words, int *errno_location)
 * rax = value on the context's side; control_words as they lie on the stack. */
    begin switch_resume
    save_registers
    pushq %rdx
    .cfi_adjust_cfa_offset 8
    movq %rsp, 8(%rdi)
    movq 0(%rdi), %rsp
    .cfi_adjust_cfa_offset 8
    movq %rsi, %rax
    movl 8(%rsp), %edx
    movl %edx, (%rcx)
    restore_control_words 16
    restore_registers
    jump_back
    end switch_resume

/* int64_t switch_suspend(struct switch_words *words, const int *errno_location) */
    begin switch_suspend
    save_registers
    movl (%rsi), %eax
    pushq %rax
    .cfi_adjust_cfa_offset 8
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr 0(%rsp)
    fnstcw 4(%rsp)
    movq %rsp, 0(%rdi)
    movq 8(%rdi), %rsp
    .cfi_adjust_cfa_offset -8
    restore_control_words 8
    restore_registers
    jump_back
    end switch_suspend

/* void switch_finish(const struct switch_words *words) */
    begin switch_finish
    movq 8(%rdi), %rsp
    .cfi_def_cfa rsp, 64
    .cfi_offset rip, -8
    .cfi_offset rbp, -16
    .cfi_offset rbx, -24
    .cfi_offset r12, -32
    .cfi_offset r13, -40
    .cfi_offset r14, -48
    .cfi_offset r15, -56
    restore_control_words 8
    restore_registers
    jump_back
    end switch_finish

/* The first frame of a context: r12 the context, r13 its entry. Nobody called it: the unwinder stops here. */
    begin switch_first
    .cfi_undefined rip
    nop /* unwinders look for the byte before a return address */
switch_first_begin:
    endbr64
    xorl %ebp, %ebp
    movq %r12, %rdi
    call switch_started
    movq %r12, %rdi
    call *%r13
    movq %r12, %rdi
    call switch_ended
    ud2
    end switch_first

/* void *switch_first_frame(char *top, struct tacet_context *context, tacet_context_entry *entry)
 * The stack is aligned where switch_first calls: its pointer is top then. */
    begin switch_first_frame
    endbr64
    leaq -72(%rdi), %rax
    movq $0x0000037f00001f80, %rcx /* the psABI's initial control words */
    movq %rcx, 0(%rax)
    movq $0, 8(%rax)
    movq $0, 16(%rax)
    movq $0, 24(%rax)
    movq %rdx, 32(%rax)
    movq %rsi, 40(%rax)
    movq $0, 48(%rax)
    movq $0, 56(%rax)
    leaq switch_first_begin(%rip), %rcx
    movq %rcx, 64(%rax)
    ret
    end switch_first_frame

#endif

    .section .note.GNU-stack, "", @progbits
