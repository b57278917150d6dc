/*
 * torture KIND SWITCHES [--signals | --steps]: contexts that suspend at random depths, resumed in random order by a loop of
 * their own.
 *
 * Around every switch, on both sides, each callee-saved register holds a pattern; each context has its own rounding mode,
 * x87 precision and errno; each frame has canaries. With --signals SIGPROF comes up to a thousand times a second of
 * processor time, and its handler walks the stack, wherever it is: every walk must end at a first frame. With --steps that
 * happens after each single instruction (x86-64).
 */
#include <tacet/context.h>

#include <errno.h>
#include <execinfo.h>
#include <fenv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define PLAYERS 24
#define DEPTH_MAX 20
#define FRAMES_MAX 128

struct player {
    struct tacet_context context; /* first: it is what the entry gets */
    uint64_t random;
    uint64_t expected; /* of the next resumption */
    int mode;
    int error;
};

static struct player players[PLAYERS];
static uint64_t switches_left;

static void fail(const char *what)
{
    fprintf(stderr, "torture: %s, with %llu switches to go\n", what, (unsigned long long)switches_left);
    abort();
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* --- Registers --- */

struct call {
    tacet_result (*function)(struct tacet_context *context, uint64_t *value);
    struct tacet_context *context;
    uint64_t value;
    tacet_result result;
};

void torture_make_call(struct call *call);

/* Not inlined, so that all that is live here goes through the switch in registers or on this stack. */
__attribute__((used)) void torture_make_call(struct call *call)
{
    call->result = call->function(call->context, &call->value);
}

/* Makes the call with patterns in all callee-saved registers; how far they are from what they were. */
uint64_t torture_registers(struct call *call, uint64_t pattern);

#if defined(__x86_64__)
/* [rsp] pattern, aligned for the call */
__asm__("    .text\n"
        "    .globl torture_registers\n"
        "    .type torture_registers, @function\n"
        "torture_registers:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    pushq %rbp\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset rbp, 0\n"
        "    pushq %rbx\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset rbx, 0\n"
        "    pushq %r12\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset r12, 0\n"
        "    pushq %r13\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset r13, 0\n"
        "    pushq %r14\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset r14, 0\n"
        "    pushq %r15\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset r15, 0\n"
        "    pushq %rsi\n    .cfi_adjust_cfa_offset 8\n"
        "    leaq 1(%rsi), %rbx\n"
        "    leaq 2(%rsi), %rbp\n"
        "    leaq 3(%rsi), %r12\n"
        "    leaq 4(%rsi), %r13\n"
        "    leaq 5(%rsi), %r14\n"
        "    leaq 6(%rsi), %r15\n"
        "    call torture_make_call\n"
        "    popq %rdx\n    .cfi_adjust_cfa_offset -8\n"
        "    leaq -1(%rbx), %rax\n    xorq %rdx, %rax\n"
        "    subq $2, %rbp\n    xorq %rdx, %rbp\n    orq %rbp, %rax\n"
        "    subq $3, %r12\n    xorq %rdx, %r12\n    orq %r12, %rax\n"
        "    subq $4, %r13\n    xorq %rdx, %r13\n    orq %r13, %rax\n"
        "    subq $5, %r14\n    xorq %rdx, %r14\n    orq %r14, %rax\n"
        "    subq $6, %r15\n    xorq %rdx, %r15\n    orq %r15, %rax\n"
        "    popq %r15\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore r15\n"
        "    popq %r14\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore r14\n"
        "    popq %r13\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore r13\n"
        "    popq %r12\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore r12\n"
        "    popq %rbx\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore rbx\n"
        "    popq %rbp\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore rbp\n"
        "    ret\n"
        "    .cfi_endproc\n"
        "    .size torture_registers, . - torture_registers\n");
#else
uint64_t torture_registers(struct call *call, uint64_t pattern)
{
    (void)pattern;
    torture_make_call(call);
    return 0;
}
#endif

static void check_call(struct call *call, uint64_t pattern)
{
    if (torture_registers(call, pattern) != 0)
        fail("a callee-saved register was not kept");
}

/* --- Control words --- */

static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};

/* Both units by the words themselves: fegetround() asks one of them. */
static uint64_t control_words(void)
{
#if defined(__x86_64__)
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    return (uint64_t)x87 << 32 | (mxcsr & 0xffc0);
#else
    return (uint64_t)fegetround();
#endif
}

static void choose_control_words(unsigned number)
{
    fesetround(modes[number % 4]);
#if defined(__x86_64__)
    uint16_t x87;
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    x87 = (uint16_t)((x87 & ~0x300) | (number / 4 % 2 == 0 ? 0x300 : 0x200)); /* extended or double precision */
    __asm__ volatile("fldcw %0" : : "m"(x87));
#endif
}

/* --- The contexts' side --- */

static tacet_result suspend(struct tacet_context *context, uint64_t *value)
{
    int64_t got = 0;
    tacet_result r = tacet_context_suspend(context, &got);
    *value = (uint64_t)got;
    return r;
}

static void suspend_checked(struct player *player)
{
    const uint64_t words = control_words();
    errno = ++player->error;
    struct call call = {suspend, &player->context, 0, 0};
    check_call(&call, next_random(&player->random));
    if (call.result != 0)
        fail("a suspension was refused");
    if (call.value != player->expected)
        fail("a context was resumed with a value that is not its own");
    if (errno != player->error)
        fail("errno was not kept");
    if (control_words() != words)
        fail("the floating-point control words were not kept");
    if (tacet_context_self() != &player->context)
        fail("another context runs");
}

/* Suspends at each depth on the way down, and on the way up where chance will have it. */
__attribute__((noinline)) static void descend(struct player *player, unsigned depth)
{
    const size_t words = 1 + next_random(&player->random) % 24;
    const uint64_t canary = next_random(&player->random);
    volatile uint64_t frame[words];
    for (size_t i = 0; i < words; i++)
        frame[i] = canary + i;
    suspend_checked(player);
    if (depth > 0)
        descend(player, depth - 1);
    if (next_random(&player->random) % 4 == 0)
        suspend_checked(player);
    for (size_t i = 0; i < words; i++)
        if (frame[i] != canary + i)
            fail("a canary was changed");
}

static void play(struct tacet_context *context)
{
    struct player *player = (struct player *)context;
    choose_control_words((unsigned)player->mode);
    do
        descend(player, (unsigned)(next_random(&player->random) % DEPTH_MAX));
    while (next_random(&player->random) % 64 != 0);
    if (next_random(&player->random) % 2 == 0)
        tacet_context_exit(context);
}

/* --- The walks --- */

#define FIRST_FRAME_BYTES 64 /* of code */

static const char *outermost[2]; /* of a walk from the loop, of one from a context */
static volatile uint64_t walks;
static bool walks_must_end; /* the C library's own longjmp need not say how to walk through its middle */

static const char *walk(void)
{
    void *frames[FRAMES_MAX];
    int count = backtrace(frames, FRAMES_MAX);
    return count > 0 && count < FRAMES_MAX ? frames[count - 1] : NULL;
}

/* The first frame of a context may be about to start, or to be left. */
static bool is_outermost(const char *end)
{
    return end == outermost[0] || (end > outermost[1] - FIRST_FRAME_BYTES && end < outermost[1] + FIRST_FRAME_BYTES);
}

static void on_signal(int number)
{
    (void)number;
    int error = errno;
    const char *end = walk();
    if (walks_must_end && !is_outermost(end))
        fail("a walk of the stack did not end at a first frame");
    walks++;
    errno = error;
}

static void walk_entry(struct tacet_context *context)
{
    (void)context;
    outermost[1] = walk();
}

/* The first walk loads and allocates, which is not for a handler. */
static void learn_outermost(struct tacet_switcher *switcher)
{
    struct tacet_context context;
    outermost[0] = walk();
    if (tacet_context_create(&context, switcher, 0) < 0 || tacet_context_prepare(&context, walk_entry) < 0 ||
        tacet_context_resume(&context, 0) != TACET_CONTEXT_FINISHED)
        fail("no context to walk");
    tacet_context_destroy(&context);
    walks_must_end = strcmp(tacet_switcher_name(switcher), "setjmp") != 0;
}

static void begin_signals(int number)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    const struct itimerval often = {{0, 1000}, {0, 1000}};
    if (sigaction(number, &action, NULL) < 0)
        fail("no signals");
    if (number == SIGPROF && setitimer(ITIMER_PROF, &often, NULL) < 0)
        fail("no timer");
}

static void end_signals(void)
{
    const struct itimerval never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_PROF, &never, NULL);
}

/* The trap flag: SIGTRAP after every instruction. It stays set where calls switch stacks. */
#if defined(__x86_64__)
void torture_set_stepping(uint64_t flag);
__asm__("    .text\n"
        "    .globl torture_set_stepping\n"
        "    .type torture_set_stepping, @function\n"
        "torture_set_stepping:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    pushfq\n    .cfi_adjust_cfa_offset 8\n"
        "    andq $~0x100, (%rsp)\n"
        "    orq %rdi, (%rsp)\n"
        "    popfq\n    .cfi_adjust_cfa_offset -8\n"
        "    ret\n"
        "    .cfi_endproc\n"
        "    .size torture_set_stepping, . - torture_set_stepping\n");
#else
static void torture_set_stepping(uint64_t flag)
{
    (void)flag;
}
#endif

/* --- The loop --- */

static void start(struct player *player)
{
    if (tacet_context_prepare(&player->context, play) < 0)
        fail("a context was not prepared");
    player->mode = (int)(next_random(&player->random) % 8);
}

static tacet_result resume(struct tacet_context *context, uint64_t *value)
{
    return tacet_context_resume(context, (int64_t)*value);
}

static void run(void)
{
    uint64_t random = 0x9e3779b97f4a7c15;
    choose_control_words(6);
    const uint64_t words = control_words();
    for (; switches_left > 0; switches_left--) {
        struct player *player = &players[next_random(&random) % PLAYERS];
        player->expected = next_random(&random);
        struct call call = {resume, &player->context, player->expected, 0};
        check_call(&call, next_random(&random));
        if (control_words() != words)
            fail("the loop's floating-point control words were not kept");
        if (call.result == TACET_CONTEXT_FINISHED)
            start(player);
        else if (call.result != TACET_CONTEXT_SUSPENDED)
            fail("a context was not resumed");
    }
}

static struct tacet_switcher *find_switcher(const char *name)
{
    static struct tacet_switcher *(*const all[])(void) = {
        tacet_switcher_setjmp,
#if defined(__x86_64__) || defined(__aarch64__)
        tacet_switcher_asm,
        tacet_switcher_copying,
#endif
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(tacet_switcher_name(all[i]()), name) == 0)
            return all[i]();
    return NULL;
}

static void start_all(struct tacet_switcher *switcher)
{
    for (unsigned i = 0; i < PLAYERS; i++) {
        players[i].random = UINT64_C(0x2545f4914f6cdd1d) * (i + 1);
        players[i].error = (int)i * 1000000;
        if (tacet_context_create(&players[i].context, switcher, 0) < 0)
            fail("no context");
        start(&players[i]);
    }
}

static void destroy_all(void)
{
    for (unsigned i = 0; i < PLAYERS; i++)
        if (tacet_context_destroy(&players[i].context) != 0)
            fail("a context was not destroyed");
}

static int usage(void)
{
    fprintf(stderr, "usage: torture setjmp|asm|copying SWITCHES [--signals | --steps]\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct tacet_switcher *switcher = argc >= 3 ? find_switcher(argv[1]) : NULL;
    const bool signals = argc == 4 && strcmp(argv[3], "--signals") == 0;
    const bool steps = argc == 4 && strcmp(argv[3], "--steps") == 0;
    if (switcher == NULL || argc != 3 + (signals || steps))
        return usage();
    switches_left = strtoull(argv[2], NULL, 10);
    start_all(switcher);
    learn_outermost(switcher);
    if (signals || steps)
        begin_signals(signals ? SIGPROF : SIGTRAP);
    torture_set_stepping(steps ? 0x100 : 0);
    run();
    torture_set_stepping(0);
    end_signals();
    destroy_all();
    printf("%s: %s resumptions, %llu walks\n", argv[1], argv[2], (unsigned long long)walks);
    return 0;
}
