#include "options.hpp"

#include "../serving.hpp"

namespace httpd {

const char help_text[] = R"(usage: tacet-httpd --listen ADDRESS:PORT [option]... FOLDER

Serves the files in FOLDER by HTTP/1.1: GET and HEAD, ranges, conditional requests, connections that are kept. A folder
is served by its index.html. Nothing outside of FOLDER is served, whatever the request says; symbolic links are followed
as long as they stay in it.

  --listen ADDRESS:PORT  where to listen, such as 127.0.0.1:8080, [::1]:8080, or unix:PATH; port 0: one that is free,
                         which is printed
  --threads N            N threads serve, 1 to 256 (default 1), each with its own executor
  --connections N        N connections at a time and thread (default 1000); further ones wait
  --head-limit SECONDS   for a request's head to come (default 10)
  --idle-limit SECONDS   for the next request to begin (default 30)
  --send-limit SECONDS   for 64 KiB of an answer, or its rest, to go (default 30)
  -q, --quiet            no line for each request
  -h, --help             show this text
  -V, --version          show the version

The first Ctrl-C (SIGINT) or SIGTERM ends what is idle and lets the answers that are under way end, the second ends those
too, the third ends the program at once.

Exit status: 0: stopped by a signal; 1: it could not serve, the message says why; 2: wrong usage.
)";

namespace {

constexpr unsigned threads_max = 256, connections_max = 1'000'000, seconds_max = 86'400;

enum long_only { listen_at = 256, threads, connections, head_limit, idle_limit, send_limit };

const char short_options[] = ":qhV";

const option long_options[] = {
    {"listen", required_argument, nullptr, listen_at},
    {"threads", required_argument, nullptr, threads},
    {"connections", required_argument, nullptr, connections},
    {"head-limit", required_argument, nullptr, head_limit},
    {"idle-limit", required_argument, nullptr, idle_limit},
    {"send-limit", required_argument, nullptr, send_limit},
    {"quiet", no_argument, nullptr, 'q'},
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, 'V'},
    {},
};

std::chrono::seconds seconds(const char* name)
{
    return std::chrono::seconds(parse_number(name, optarg, 1, seconds_max));
}

void apply(options& options, int option, char** argv)
{
    switch (option) {
    case listen_at:
        options.address = parse_address(optarg);
        break;
    case threads:
        options.threads = parse_number("--threads", optarg, 1, threads_max);
        break;
    case connections:
        options.connections_max = parse_number("--connections", optarg, 1, connections_max);
        break;
    case head_limit:
        options.head_limit = seconds("--head-limit");
        break;
    case idle_limit:
        options.idle_limit = seconds("--idle-limit");
        break;
    case send_limit:
        options.send_limit = seconds("--send-limit");
        break;
    case 'q':
        options.quiet = true;
        break;
    case 'h':
        options.help = true;
        break;
    case 'V':
        options.version = true;
        break;
    default:
        refuse_option(option, argv, short_options);
    }
}

}

options parse_options(int argc, char** argv)
{
    options options;
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, short_options, long_options, nullptr)) != -1)
        apply(options, option, argv);
    if (options.help || options.version)
        return options;
    if (!options.address)
        throw usage_error("--listen ADDRESS:PORT is missing");
    if (argc - optind != 1)
        throw usage_error(argc == optind ? "FOLDER is missing" : "one FOLDER is served");
    options.folder = argv[optind];
    return options;
}

}
