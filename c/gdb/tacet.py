"""gdb: the tasks of all executors of the program, and where each of them stands.

    (gdb) source .../tacet.py
    (gdb) tacet tasks

lists every attached task with its state, its priority, its switcher and its name, and below it
  - of a task with a stack of its own, or a copied one: a backtrace from its saved registers;
  - of a coroutine: those that await one another, the innermost first;
  - of another: its body.

It needs debug information of tacet (-g), and Python in gdb; backtraces of stacks are for x86-64. It works on a running
program and on a core file. The frames of a copied task lie in its save buffer: for the time of its backtrace they
are written back to where they belong, and what was there afterwards. A core file cannot be written to: there the
return addresses found in the buffer are listed, which may contain some of calls that are over.
"""
import contextlib
import re

import gdb
import gdb.unwinder

FRAMES_MAX = 64
WORD = 8


# ---- Reading ----


def pointer(value):
    return int(value.cast(gdb.lookup_type("unsigned long")))


def word_at(address):
    return int.from_bytes(bytes(gdb.selected_inferior().read_memory(address, WORD)), "little")


def container(node, type_name, member):
    """The struct of which node, a pointer, is the member."""
    kind = gdb.lookup_type("struct " + type_name)
    offset = next(field.bitpos // 8 for field in kind.fields() if field.name == member)
    return gdb.Value(pointer(node) - offset).cast(kind.pointer()).dereference()


def word_of_enum(name, prefix, value):
    for field in gdb.lookup_type("enum " + name).fields():
        if field.enumval == int(value):
            return field.name.replace(prefix, "", 1).lower().replace("_", " ")
    return str(int(value))


def function_at(address):
    """The name of the function at an address, without parameters; None if there is none."""
    said = gdb.execute(f"info symbol {address}", to_string=True)
    if said.startswith("No symbol"):
        return None
    name = re.split(r" in section | \+ \d+| \[clone", said.strip())[0]
    named = re.match(r"((?:\(anonymous namespace\)|[^(])*)", name).group(1)
    return re.sub(r"\.(actor|resume|destroy|cleanup|part|isra|constprop|cold)\b.*", "", named)


def line_of(found):
    return f" at {found.symtab.filename}:{found.line}" if found.symtab is not None else ""


def line_at(address):
    return line_of(gdb.find_pc_line(address))


# ---- Backtraces of stacks ----


class Identity:
    """Of a frame; gdb takes anything with these attributes."""

    def __init__(self, sp, pc):
        self.sp, self.pc = gdb.Value(sp), gdb.Value(pc)


class Elsewhere(gdb.unwinder.Unwinder):
    """Has the newest frame of the thread look as if it had been called from where `registers` say."""

    def __init__(self):
        super().__init__("tacet")
        self.registers = None

    def __call__(self, pending):
        if self.registers is None or pointer(pending.read_register("rsp")) != self.newest:
            return None
        # The frame's identity is made to lie below the frames that follow it, as if it were on the same stack.
        identity = Identity(self.registers["rsp"] - WORD, self.registers["rip"])
        unwound = pending.create_unwind_info(identity)
        for name, value in self.registers.items():
            unwound.add_saved_register(name, gdb.Value(value).cast(pending.read_register(name).type))
        return unwound

    @contextlib.contextmanager
    def seen(self, registers):
        self.newest = pointer(gdb.newest_frame().read_register("rsp"))
        self.registers = registers
        gdb.invalidate_cached_frames()
        try:
            yield gdb.newest_frame()
        finally:
            self.registers = None
            gdb.invalidate_cached_frames()


elsewhere = Elsewhere()
gdb.unwinder.register_unwinder(None, elsewhere, replace=True)


def print_frames(registers):
    with elsewhere.seen(registers) as newest:
        frame = newest.older()
        for number in range(FRAMES_MAX):
            if frame is None or frame.pc() == 0:
                return
            name = frame.name() or function_at(frame.pc()) or "??"
            print(f"    #{number:<2} {frame.pc():#018x} {name}{line_of(frame.find_sal())}")
            frame = frame.older()
        print("    ...")


def registers_of_switch(saved):
    """What switch_suspend() pushed; see switch_x86_64.S."""
    names = ["r15", "r14", "r13", "r12", "rbx", "rbp", "rip"]
    registers = {name: word_at(saved + 2 * WORD + i * WORD) for i, name in enumerate(names)}
    registers["rsp"] = saved + 2 * WORD + len(names) * WORD
    return registers


def registers_of_setjmp(saved):
    """A jmp_buf of the C library, which encrypts three of its words."""
    guard = word_at(pointer(gdb.parse_and_eval("$fs_base")) + 0x30)

    def plain(word):
        return ((word >> 17 | word << 47) & (1 << 64) - 1) ^ guard

    names = ["rbx", "rbp", "r12", "r13", "r14", "r15", "rsp", "rip"]
    registers = {name: word_at(saved + i * WORD) for i, name in enumerate(names)}
    return {name: plain(word) if name in ("rbp", "rsp", "rip") else word for name, word in registers.items()}


@contextlib.contextmanager
def written_back(address, frames):
    """The frames of a copied task stand where they belong. gdb.MemoryError: memory cannot be written."""
    inferior = gdb.selected_inferior()
    others = bytes(inferior.read_memory(address, len(frames)))
    inferior.write_memory(address, frames)
    try:
        yield
    finally:
        inferior.write_memory(address, others)


def is_return_address(address):
    """Whether a call instruction ends there."""
    if not 4096 < address < 1 << 47 or function_at(address) is None:
        return False
    before = bytes(gdb.selected_inferior().read_memory(address - 7, 7))
    indirect = any(before[-size] == 0xFF and before[-size + 1] >> 3 & 7 == 2 for size in (2, 3, 4, 6, 7))
    return before[-5] == 0xE8 or indirect


def print_return_addresses(frames):
    for offset in range(0, len(frames) - WORD + 1, WORD):
        address = int.from_bytes(frames[offset:offset + WORD], "little")
        if is_return_address(address):
            print(f"    ?   {address:#018x} {function_at(address)}{line_at(address - 1)}")


def print_copied(context):
    stack = context["resumer_stack_pointer"].cast(gdb.lookup_type("struct execution_stack").pointer())
    if stack["owner"] == context.address:
        print_frames(registers_of_switch(pointer(stack["words"]["stack_pointer"])))
        return
    address = pointer(context["stack_pointer"])
    length = pointer(stack["top"]) - address
    frames = bytes(gdb.selected_inferior().read_memory(pointer(context["memory"]), length))
    try:
        with written_back(address, frames):
            print_frames(registers_of_switch(address))
    except gdb.MemoryError:
        print_return_addresses(frames)


# ---- Coroutines ----


def print_coroutines(task):
    """A frame begins with its functions for resumption and destruction; the promise follows."""
    handle = pointer(task["context"])
    promise_type = gdb.lookup_type("tacet::detail::promise_base").pointer()
    for number in range(FRAMES_MAX):
        if handle == 0:
            return
        resume = word_at(handle)
        promise = gdb.Value(handle + 2 * WORD).cast(promise_type).dereference()
        name = f"{function_at(resume)}{line_at(resume)}" if resume != 0 else "(at its end)"
        print(f"    #{number:<2} {handle:#018x} {name}")
        handle = word_at(pointer(promise["continuation"].address))
    print("    ...")


# ---- Tasks and executors ----


BACKTRACES = {
    "asm": lambda context: print_frames(registers_of_switch(pointer(context["stack_pointer"]))),
    "setjmp": lambda context: print_frames(registers_of_setjmp(pointer(context["stack_pointer"]))),
    "copying": print_copied,
}


def print_place(task, kind, state):
    c_task = task.address.cast(gdb.lookup_type("struct c_task").pointer()).dereference()
    if kind == "coroutine":
        print_coroutines(task)
    elif kind == "away":
        absent = container(task.address, "stand_in", "task")["absent"]
        print(f"    the place of task {pointer(absent):#x}, which is at another executor")
    elif kind in BACKTRACES and state in ("suspended", "ready"):
        BACKTRACES[kind](c_task["context"])
    else:
        body = pointer(c_task["body"])
        print(f"    body {body:#018x} {function_at(body)}{line_at(body)}")


def name_of(task, kind):
    if kind == "coroutine" or task["extra"] == 0:
        return ""
    name = task["extra"].cast(gdb.lookup_type("struct task_extra").pointer())["name"]
    return f' "{name.string()}"' if name != 0 else ""


def print_task(task):
    ops = task["runnable"]["kind"].cast(gdb.lookup_type("struct tacet_switcher_ops").pointer())
    kind = ops["name"].string()
    state = word_of_enum("tacet_task_state", "TACET_TASK_", task["state"])
    priority = word_of_enum("tacet_priority", "TACET_PRIORITY_", task["priority"])
    print(f"  task {pointer(task.address):#x}: {state}, {priority} priority, {kind}{name_of(task, kind)}")
    if state == "running":
        return
    try:
        print_place(task, kind, state)
    except gdb.MemoryError as unreadable:
        print(f"    {unreadable}")


def print_executor(executor, thread):
    head = executor["shared"]["tasks"]
    tasks, node = [], head["next"]
    while node != head.address:
        tasks.append(container(node, "tacet_task", "attached_node"))
        node = node["next"]
    print(f"executor {pointer(executor.address):#x} of thread {thread.num}: {len(tasks)} task{'s' * (len(tasks) != 1)}")
    for task in tasks:
        print_task(task)


def living_executors():
    """Those of the selected thread, the newest first."""
    symbols = [symbol for symbol in gdb.lookup_static_symbols("living")
               if symbol.symtab.filename.endswith("executor/executor.c")]
    if not symbols:
        raise gdb.GdbError("no debug information of tacet's executors here: build it with -g")
    executor = symbols[0].value(gdb.newest_frame())
    while executor != 0:
        yield executor.dereference()
        executor = executor["next_here"]


class TacetCommand(gdb.Command):
    """Looks into executors of tacet."""

    def __init__(self):
        super().__init__("tacet", gdb.COMMAND_STATUS, prefix=True)


class TasksCommand(gdb.Command):
    """List all tasks of all executors, with where they stand."""

    def __init__(self):
        super().__init__("tacet tasks", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        selected = gdb.selected_thread()
        if selected is None:
            raise gdb.GdbError("the program is not running")
        frame = gdb.selected_frame()
        found = 0
        try:
            for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num):
                thread.switch()
                for executor in living_executors():
                    print_executor(executor, thread)
                    found += 1
        finally:
            selected.switch()
            if frame.is_valid():
                frame.select()
        if found == 0:
            print("no executors")


TacetCommand()
TasksCommand()
