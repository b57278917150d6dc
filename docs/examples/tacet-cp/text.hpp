// How names, numbers and times are shown to people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cp {

// In double quotes. A name may hold any byte but '/' and 0: what a terminal would obey or could not show is escaped.
std::string in_quotes(std::string_view name);

std::string with_commas(std::uint64_t number);
std::string bytes_text(double bytes);       // 12.3 MiB
std::string seconds_text(double seconds);   // 0.312 s
std::string countdown_text(double seconds); // 1:02:03

}
