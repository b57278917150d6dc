/* Baseline `raw_switch`: what any stack switch on x86-64 System V needs, and no more: callee-saved registers and the
 * two control words pushed on the old stack, stack pointers exchanged, the same in reverse. It leaves by an indirect
 * jump: a `ret` would be mispredicted at each switch, since its call was made on another stack.
 *
 * A saved context, from its stack pointer upwards:
 *   [sp+0] mxcsr, +4 x87 control word | +8 r12 | +16 r13 | +24 r14 | +32 r15 | +40 rbx | +48 rbp | +56 return
 */
        .text

/* void bench_raw_switch(void **save_sp, void *load_sp) */
        .globl  bench_raw_switch
        .hidden bench_raw_switch
        .type   bench_raw_switch, @function
        .p2align 4
bench_raw_switch:
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r12
        .cfi_adjust_cfa_offset -8
        popq    %r13
        .cfi_adjust_cfa_offset -8
        popq    %r14
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register rip, rcx
        jmp     *%rcx
        .cfi_endproc
        .size   bench_raw_switch, .-bench_raw_switch

/* First frame of a stack: rbx holds the function, r12 its argument; the function never returns. */
        .globl  bench_raw_switch_entry
        .hidden bench_raw_switch_entry
        .type   bench_raw_switch_entry, @function
        .p2align 4
bench_raw_switch_entry:
        .cfi_startproc
        .cfi_undefined rip
        endbr64
        movq    %r12, %rdi
        call    *%rbx
        ud2
        .cfi_endproc
        .size   bench_raw_switch_entry, .-bench_raw_switch_entry

        .section .note.GNU-stack, "", @progbits
