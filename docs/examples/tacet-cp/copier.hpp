// Copies what a walk visits.
#pragma once

#include "job.hpp"
#include "walk.hpp"

namespace cp {

class copier : public visitor {
public:
    explicit copier(job& job) : job_(job) {}

    tacet::task<void> enter(directory& directory) override;
    tacet::task<void> leaf(directory& in, const entry& entry) override;
    tacet::task<void> leave(directory& directory) override;
    void failed(const failure& why) override { job_.said.failed(why); }

private:
    tacet::task<void> copy_file(directory& in, const entry& entry);
    tacet::task<void> copy_link(directory& in, const entry& entry);
    tacet::task<void> copy_special(directory& in, const entry& entry);

    job& job_;
};

}
