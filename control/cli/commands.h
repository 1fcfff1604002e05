#pragma once

#include "control/cli/client.h"

#include <map>
#include <string>
#include <vector>

/// What culvertctl does with a running gateway. Each returns the process's exit code.
namespace culvert::control {

namespace exit_code {
inline constexpr int good = 0, refused = 1, usage = 2, no_gateway = 3;
}

/// How answers are printed.
struct Printing {
    bool json = false; ///< the API's own document
    bool all = false;  ///< counters that are zero as well
};

/// The keys of a [[peer]] that were given; the others stay as they are. An empty text takes a key back to its
/// default.
struct PeerArguments {
    std::string name;
    std::map<std::string, std::string> texts;              ///< endpoint, psk_file, tun
    std::map<std::string, std::vector<std::string>> lists; ///< pin, prefixes
    std::map<std::string, std::string> numbers;            ///< lanes, mtu, … ; `dscp` may be "copy"
};

int show(const Client& client, const std::string& what, Printing printing); ///< `what` empty: the overview
int add_peer(const Client& client, const PeerArguments& peer, Printing printing);
int set_peer(const Client& client, const PeerArguments& peer, Printing printing);
int remove_peer(const Client& client, const std::string& name, Printing printing);
int reload(const Client& client, Printing printing);
int follow_events(const Client& client, Printing printing);

} // namespace culvert::control
