// SIGINT and SIGTERM, awaited: whoever has work in hand looks whether it should stop.
#pragma once

#include <tacet/tacet.hpp>

#include <optional>

namespace cp {

// Thrown by what gives up its work because of a stop request.
struct stopped {};

class stop_request {
public:
    bool requested() const { return signal_ != 0; }
    int signal() const { return signal_; }
    void throw_if_requested() const
    {
        if (requested())
            throw stopped();
    }

    // Keeps the two signals from ending the process. Before any other thread exists.
    void block_signals();

    // Waits for the first of them, after that.
    tacet::task<void> watch();

private:
    std::optional<tacet::signal_set> signals_;
    int signal_ = 0;
};

}
