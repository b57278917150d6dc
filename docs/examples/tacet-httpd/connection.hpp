// One connection: requests, one after the other, and their answers.
#pragma once

#include "site.hpp"

namespace httpd {

// Until the client has gone, has asked for that, takes too long, or the site stops. Holds the permit until then. What goes
// wrong is told on standard error, unless it is the client's doing; nothing is thrown, as that would end the other connections.
tacet::task<void> serve_connection(tacet::socket client, tacet::semaphore::permit, site& served);

}
