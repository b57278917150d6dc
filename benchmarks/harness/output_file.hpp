// A result file that is whole or absent: opened before anything is measured, so that a bad path is found at once, and
// put under its name only when it is complete.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace bench {

class output_file {
public:
    // Throws std::system_error that names the file.
    explicit output_file(std::string path);
    output_file(const output_file&) = delete;
    output_file& operator=(const output_file&) = delete;
    ~output_file();

    void commit(std::string_view text);

private:
    std::string path_;
    std::string partial_path_;
    std::FILE* file_;
};

}
