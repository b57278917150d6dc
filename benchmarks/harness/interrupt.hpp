// Ctrl-C. The handler only raises a flag; the harness looks at it between slices of measurement and the copy case
// while it waits for a child, so that every case leaves through its destructors and nothing stays behind on disk.
#pragma once

#include <exception>

namespace bench {

struct interrupted : std::exception {
    const char* what() const noexcept override { return "interrupted"; }
};

// Installs the handler for SIGINT and SIGTERM, without SA_RESTART: a blocking wait ends with EINTR.
void install_interrupt_handler();

bool interrupt_requested() noexcept;

// Throws `interrupted` once a signal has arrived.
void throw_if_interrupted();

}
