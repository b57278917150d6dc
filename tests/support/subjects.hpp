/*
 * Every operation with objects of its own: to be started or awaited, ended at any moment, and then looked at.
 *
 * A row of the table makes a subject, which is one operation. It knows how the operation is started and awaited, what makes one
 * that waits for ever end, and what plain system calls must see when it has been done, or has not.
 */
#ifndef SUPPORT_SUBJECTS_HPP
#define SUPPORT_SUBJECTS_HPP

#include "support/support.hpp"

#include <memory>

namespace support {

class subject {
public:
    subject() = default;
    subject(const subject&) = delete;
    virtual ~subject() = default;
    virtual tacet_result start(tacet_op* op, tacet_task* task) = 0;
    virtual tacet_result await(tacet_task* task) = 0;

    /* What an operation that waits for ever waits for. May come more than once; never blocks. */
    virtual void provoke() {}

    /* Whether this is what the operation itself says. */
    virtual bool is_own(tacet_result r) const { return r == 0; }

    /* The one who awaited or started it was told r; descriptors that came with it are closed here. Asked once. */
    virtual void settle(tacet_result r, bool awaited) = 0;

    /* What can be checked where nobody was told. */
    virtual void settle_untold() {}

    /* The memory into which the kernel writes, until the end. */
    void* out = nullptr;
    std::size_t out_bytes = 0;

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
};

struct operation_row {
    const char* name;
    unsigned opcode;
    unsigned traits;
    std::unique_ptr<subject> (*make)();
};

/* One subject of a class after the other. */
template <typename Subject>
operation_row row(const char* name, unsigned opcode, unsigned traits)
{
    return {name, opcode, traits, []() -> std::unique_ptr<subject> { return std::make_unique<Subject>(); }};
}

std::vector<operation_row> file_rows();
std::vector<operation_row> path_rows();
std::vector<operation_row> socket_rows();
std::vector<operation_row> wait_rows();

const std::vector<operation_row>& all_operations();

}

#endif
