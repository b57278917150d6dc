/*
 * The switch between two stacks, x86-64 System V.
 *
 * A suspended stack, from its saved stack pointer upwards:
 *   [sp+0] mxcsr  [sp+4] x87 control word  [sp+8] r15  [sp+16] r14  [sp+24] r13  [sp+32] r12  [sp+40] rbx  [sp+48] rbp
 *   [sp+56] return address
 *
 * The control words are loaded only where they differ: loading costs more than the rest of the switch. Of mxcsr only the
 * control bits count; the psABI lets a callee change the status bits.
 */
#if defined(__x86_64__)

    .text

/* void tacet_asm_switch(void **save, void *load): rdi = where the present stack pointer goes, rsi = that of the other. */
    .globl tacet_asm_switch
    .hidden tacet_asm_switch
    .type tacet_asm_switch, @function
    .p2align 4
tacet_asm_switch:
    .cfi_startproc
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
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr 0(%rsp)
    fnstcw 4(%rsp)
    movl 0(%rsp), %eax
    movzwl 4(%rsp), %ecx

    movq %rsp, (%rdi)
    movq %rsi, %rsp

    xorl 0(%rsp), %eax
    andl $0xffc0, %eax
    jnz 1f
    cmpw 4(%rsp), %cx
    jne 1f
2:
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
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
    /* A jump, not a return: the return predictor knows only the stack that called. */
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    notrack jmp *%rcx
    .cfi_endproc
    .cfi_startproc
    .cfi_def_cfa rsp, 64
    .cfi_offset rip, -8
    .cfi_offset rbp, -16
    .cfi_offset rbx, -24
    .cfi_offset r12, -32
    .cfi_offset r13, -40
    .cfi_offset r14, -48
    .cfi_offset r15, -56
1:
    ldmxcsr 0(%rsp)
    fldcw 4(%rsp)
    jmp 2b
    .cfi_endproc
    .size tacet_asm_switch, . - tacet_asm_switch

/* The first frame of a context: r12 holds the context. Nobody called it: the unwinder stops here. */
    .globl tacet_asm_first_frame
    .hidden tacet_asm_first_frame
    .type tacet_asm_first_frame, @function
    .p2align 4
tacet_asm_first_frame:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    xorl %ebp, %ebp
    movq %r12, %rdi
    call tacet_asm_main
    ud2
    .cfi_endproc
    .size tacet_asm_first_frame, . - tacet_asm_first_frame

#endif

    .section .note.GNU-stack, "", @progbits
