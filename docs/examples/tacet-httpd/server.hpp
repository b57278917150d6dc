// One thread's part of the server: its executor, the connections that it has accepted.
#pragma once

#include "site.hpp"

namespace httpd {

// Serves until the site is stopped. Throws what keeps it from serving.
void serve(const tacet::socket& listener, site& served);

}
