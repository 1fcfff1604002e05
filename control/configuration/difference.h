#pragma once

#include "control/configuration/configuration.h"

#include <optional>
#include <string>
#include <vector>

namespace culvert::control {

/// A peer of the same name in both configurations, and what about it changed.
struct PeerChange {
    PeerSection old, now;
    bool credentials = false; ///< pins or psk_file: its sessions were shaken hands for by what no longer holds
    bool endpoint = false;
    bool prefixes = false;
    bool tun = false;
    bool lanes = false;
    bool others = false; ///< mtu, dscp, keepalive, rekey_time, rekey_packets
    bool any() const { return credentials || endpoint || prefixes || tun || lanes || others; }
};

/// A key that can't change while the gateway runs.
struct RestartReason {
    std::string key;          ///< "port.eth0.mtu", or "port.eth1" for a whole section
    std::string old, now;     ///< as they would be written; "" where absent
    std::string text() const; ///< "port.eth0.mtu: 1500 → 9000"
    bool operator==(const RestartReason&) const = default;
};

/// What to do to get from one configuration to another. The order of peers and listens means nothing; that of
/// ports and TUN devices does, as ids follow it. Files (certificate, key, psk_file) may have changed inside under
/// the same name: the caller reads them again anyway.
struct Difference {
    std::vector<PeerSection> added_peers, removed_peers;
    std::vector<PeerChange> changed_peers;
    std::vector<ListenSection> added_listens, removed_listens;
    bool certificate = false;                 ///< other files for [gateway] certificate or private_key
    std::optional<std::string> log_level;     ///< the new one
    std::vector<RestartReason> needs_restart; ///< refuse the whole when not empty

    bool empty() const;
};

Difference compare(const Configuration& old, const Configuration& now);

} // namespace culvert::control
