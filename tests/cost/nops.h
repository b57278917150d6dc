/* What count_instructions.py counts: ROUNDS no-ops by each of 64 tasks at once, so that 64 go out in one batch. */
#ifndef COST_NOPS_H
#define COST_NOPS_H

#include <tacet/tacet.h>

#define COST_TASKS 64

#ifdef __cplusplus
extern "C" {
#endif

/* A state machine in C. 0, or what went wrong. */
tacet_result run_stackless(struct tacet_executor *executor, uint64_t rounds);

/* The same on the functions that the C++ layer is made of, all inlined: the least that a C program can come down to. */
tacet_result run_inlined(struct tacet_executor *executor, uint64_t rounds);

/* Calls of malloc and its kin so far. */
uint64_t allocations(void);

#ifdef __cplusplus
}
#endif

#endif
