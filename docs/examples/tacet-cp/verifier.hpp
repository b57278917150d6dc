// Compares what a walk of the source visits with the target: types, modes, owners (as root), times of modification,
// what links lead to, contents. What else the target holds is not looked at.
#pragma once

#include "job.hpp"
#include "step.hpp"
#include "walk.hpp"

namespace cp {

class verifier : public visitor {
public:
    explicit verifier(job& job) : job_(job) {}

    tacet::task<void> enter(directory& directory) override;
    tacet::task<void> leaf(directory& in, const entry& entry) override;
    tacet::task<void> leave(directory& directory) override;
    void failed(const failure& why) override { job_.said.failed(why); }

private:
    tacet::task<void> compare_files(directory& in, const entry& entry, const struct statx& status);
    tacet::task<void> compare_links(directory& in, const entry& entry);
    void compare_attributes(const struct statx& source, const struct statx& target, const place& where) const;

    job& job_;
};

}
