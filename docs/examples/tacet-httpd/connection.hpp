// One connection: requests, one after the other, and their answers.
#pragma once

#include "site.hpp"

namespace httpd {

// Until the client has gone, has asked for that, takes too long, or the site stops. Throws nothing that is the client's doing.
tacet::task<void> serve_connection(tacet::socket client, site& served);

}
