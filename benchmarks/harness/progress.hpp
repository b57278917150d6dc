// One line on standard error that says what a long case is at, where somebody watches; and notes of what is left out,
// which everybody sees.
#pragma once

#include <string>
#include <string_view>

namespace bench {

class progress {
public:
    explicit progress(std::string_view benchmark);
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;
    ~progress();

    void show(std::string_view what);
    void note(std::string_view what);

private:
    void clear();

    std::string benchmark_;
    bool watched_;
};

}
