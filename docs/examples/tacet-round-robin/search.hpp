// The work of one context: boards of N queens that do not attack each other, found by recursion, one at a time.
#ifndef TACET_ROUND_ROBIN_SEARCH_HPP
#define TACET_ROUND_ROBIN_SEARCH_HPP

#include <tacet/context.h>

#include <array>
#include <system_error>

inline constexpr unsigned queens_max = 12;
inline constexpr unsigned rows_dealt = 3; // boards are dealt among the searches by what stands in these first rows

inline tacet_result check(tacet_result r, const char* what)
{
    if (r < 0)
        throw std::system_error(static_cast<int>(-r), std::generic_category(), what);
    return r;
}

// One search. The board lies here, not on the search's stack: the dispatcher looks at it while the search is suspended,
// when the stack's memory may be another context's.
class search : tacet_context {
public:
    // Of so many queens; the share `number` of so many.
    search(tacet_switcher* switcher, unsigned queens, unsigned shares, unsigned number)
        : queens_(queens), shares_(shares), number_(number)
    {
        check(tacet_context_create(this, switcher, 0), "context");
        tacet_context_prepare(this, [](tacet_context* self) { static_cast<search*>(self)->place(0); });
    }
    search(const search&) = delete;
    ~search() { tacet_context_destroy(this); }

    // False when there is no further board.
    bool find_next()
    {
        const bool found = check(tacet_context_resume(this, 0), "resume") == TACET_CONTEXT_SUSPENDED;
        check(failure_, "suspend");
        return found;
    }

    bool board_is_right() const
    {
        for (unsigned row = 0; row < queens_; row++) {
            if (!is_free(row, column_of_[row]))
                return false;
        }
        return true;
    }

private:
    bool is_free(unsigned row, unsigned column) const
    {
        for (unsigned above = 0; above < row; above++) {
            const unsigned other = column_of_[above];
            if (other == column || other + row - above == column || column + row - above == other)
                return false;
        }
        return true;
    }

    void place(unsigned row)
    {
        if (row == rows_dealt && dealt_++ % shares_ != number_)
            return;
        if (row == queens_) {
            suspend();
            return;
        }
        for (unsigned column = 0; column < queens_; column++) {
            if (is_free(row, column)) {
                column_of_[row] = column;
                place(row + 1);
            }
        }
    }

    // Here is a board. Without memory to be suspended, the search ends from where it stands.
    void suspend()
    {
        failure_ = tacet_context_suspend(this, nullptr);
        if (failure_ < 0)
            tacet_context_exit(this);
    }

    unsigned queens_, shares_, number_;
    unsigned dealt_ = 0;
    tacet_result failure_ = 0;
    std::array<unsigned, queens_max> column_of_{};
};

#endif
