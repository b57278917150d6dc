// Walks through the paths and reads the files, many at once, on the thread that has the ring.
#pragma once

#include "report.hpp"
#include "search.hpp"

#include <tacet/tacet.hpp>

namespace grep {

class reader {
public:
    reader(const options& wanted, tacet::channel<contents>& into, report& said)
        : wanted_(&wanted), into_(&into), said_(&said)
    {
    }

    // Sends all files, and closes the channel. Ends early if somebody has closed it, or when cancelled.
    tacet::task<void> read_all();

private:
    struct entry {
        std::string path;
        bool is_directory;
    };

    static std::vector<entry> look_at(const std::string& path);
    static std::vector<entry> list(const std::string& path);

    tacet::task<void> walk(tacet::scope& scope);
    tacet::task<void> read_and_send(std::string path, tacet::semaphore::permit slot);
    tacet::task<std::string> read_file(std::string path);

    const options* wanted_;
    tacet::channel<contents>* into_;
    report* said_;
    tacet::semaphore slots_{32}; // files at once
};

}
