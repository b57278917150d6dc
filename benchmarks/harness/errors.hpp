// The two ways in which a case may end without figures.
#pragma once

#include <stdexcept>

namespace bench {

// The machine lacks something that the case needs: room, a program, io_uring. `all` goes on with the next case.
struct unavailable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// What was measured computed something else than it should have: its figures would mean nothing.
struct wrong_answer : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}
