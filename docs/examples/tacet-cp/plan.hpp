// From the command line to what is to be copied where.
#pragma once

#include "directory.hpp"
#include "job.hpp"

#include <tacet/tacet.hpp>

#include <vector>

namespace cp {

// `top` stands for the folder that all sources are relative to, and the one that all copies are made in.
struct plan {
    directory top;
    std::vector<entry> entries;
};

// Reports the sources that cannot be copied and leaves them out. Throws failure if there is no place for copies.
tacet::task<plan> make_plan(job& job);

}
