/*
 * Every operation with objects of its own: to be started or awaited, ended at any moment, and then looked at.
 *
 * A row of the table makes a subject, which is one operation. It knows what the operation is asked to do, what makes one
 * that waits for ever end, and what plain system calls must see when it has been done, or has not. A row's functions are
 * those that it calls; its name is theirs, so that the table can be held against the headers.
 */
#ifndef SUPPORT_SUBJECTS_HPP
#define SUPPORT_SUBJECTS_HPP

#include "support/support.hpp"

#include <memory>
#include <tuple>

namespace support {

enum class form_kind { awaited, started, left, callback };

class subject {
public:
    subject() = default;
    subject(const subject&) = delete;
    virtual ~subject() = default;

    /* What it needs of the executor it makes here, before it is started. */
    virtual void prepare(tacet_executor*) {}
    virtual tacet_result start(tacet_op*, tacet_task*) { return -ENOTSUP; }
    virtual tacet_result await(tacet_task* task) = 0;

    /* What an operation that waits for ever waits for. May come more than once; never blocks. */
    virtual void provoke() {}

    /* Whether this is what the operation itself says. */
    virtual bool is_own(tacet_result r) const { return r == 0; }

    /* The one who awaited or started it was told r; descriptors and buffers that came with it go here. Asked once. */
    virtual void settle(tacet_result r) = 0;

    /* What can be checked where nobody was told. */
    virtual void settle_untold() {}

    /* It has ended; what else it has in flight must end, if the executor is there still. */
    virtual void retire() {}

    /* The memory into which the kernel writes, until the end. */
    void* out = nullptr;
    std::size_t out_bytes = 0;

    /* How it is called; not NULL: by this op. */
    form_kind form = form_kind::awaited;
    const tacet_op* op = nullptr;
    bool has_executor = true; /* that was not destroyed */

protected:
    template <typename T>
    void writes_to(T& object)
    {
        out = &object;
        out_bytes = sizeof object;
    }
};

/* Where subjects have their files, one after the other; each takes its own away. */
const temporary_directory& scratch();

enum subject_trait : unsigned {
    ends_at_once = 0,
    waits = 1,          /* for what comes from elsewhere: for ever, unless it is provoked */
    limited_data = 2,   /* by data_ops_max, where it is a regular file's */
    limited_worker = 4, /* by worker_ops_max */
    never_cancelled = 8,
    gives_descriptor = 16,
    without_ring = 32, /* it is no operation of the kernel's */
    cannot_be_provoked = 64,
    only_awaited = 128,
    of_steps = 256 | only_awaited, /* may end between two; called again where the task suspends by returning */
};

struct operation_row {
    std::string name; /* of the function, and what it is called for */
    unsigned opcode;
    unsigned traits;
    std::unique_ptr<subject> (*make)();

    bool has(unsigned trait) const { return (traits & trait) == trait; }
};

/* A subject whose operation is awaited by this function, with its arguments(). */
template <typename Subject, auto Await>
struct awaits : Subject {
    tacet_result await(tacet_task* task) override
    {
        const auto call = [task](auto... each) { return Await(task, each...); };
        if constexpr (requires(Subject & of) { of.awaited_arguments(); })
            return std::apply(call, this->awaited_arguments());
        else
            return std::apply(call, this->arguments());
    }
};

/* And started by this one. */
template <typename Subject, auto Await, auto Start>
struct starts : awaits<Subject, Await> {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        const auto call = [op, task](auto... each) { return Start(op, task, each...); };
        return std::apply(call, this->arguments());
    }
};

/* One subject of a class after the other. */
template <typename Subject>
operation_row row(const char* function, const char* what, unsigned opcode, unsigned traits)
{
    const std::string name = *what != '\0' ? std::string(function) + ", " + what : function;
    return {name, opcode, traits, []() -> std::unique_ptr<subject> { return std::make_unique<Subject>(); }};
}

#define STARTED(function, Subject, what, opcode, traits)                                                               \
    row<starts<Subject, function, function##_start>>(#function, what, opcode, traits)
#define AWAITED(function, Subject, what, opcode, traits)                                                               \
    row<awaits<Subject, function>>(#function, what, opcode, (traits) | only_awaited)

std::vector<operation_row> file_rows();
std::vector<operation_row> path_rows();
std::vector<operation_row> steps_rows();
std::vector<operation_row> buffer_rows();
std::vector<operation_row> socket_rows();
std::vector<operation_row> multishot_rows();
std::vector<operation_row> wait_rows();
std::vector<operation_row> copy_rows();

const std::vector<operation_row>& all_operations();

}

#endif
