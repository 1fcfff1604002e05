#pragma once

#include "control/configuration/credentials.h"
#include "control/configuration/sections.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

/// What must hold between sections. A fault is told where its second half stands, and names the first half's line.
namespace culvert::control {

/// Names, kernel ports and outer addresses once only.
void check_ports(const std::vector<PortDraft>& ports);
/// Names and addresses once only, outer ones included; gives each TUN without an MTU the smallest port's less 100.
void check_tuns(std::vector<TunDraft>& tuns, const std::vector<PortDraft>& ports);
void check_listens(const std::vector<ListenDraft>& listens);

/// What a peer may refer to.
struct PeerSurroundings {
    std::vector<TunSection> tuns;
    bool has_certificate = false;
    bool has_listen = false;
};

/// Checks peers one after the other against those before.
class PeerChecks {
  public:
    explicit PeerChecks(PeerSurroundings surroundings) : surroundings_(std::move(surroundings)) {}

    /// Complains where the peer is at odds with its surroundings or an earlier one, and fills in its TUN.
    void check(PeerDraft& peer);
    /// A peer that has been checked before and came from no file that is at hand.
    void accept(const PeerSection& peer);

  private:
    /// Who has a name, prefix, pin or key already.
    struct Owner {
        std::string peer;
        std::uint32_t line = 0; ///< 0: not known
        std::string text() const;
    };
    template <typename Key>
    using Owners = std::map<Key, Owner>;

    void check_tun(PeerDraft& peer) const;
    void check_reachable(const PeerDraft& peer) const;
    void check_credentials(const PeerDraft& peer);
    void check_prefixes(const PeerDraft& peer);

    PeerSurroundings surroundings_;
    Owners<std::string> names_, pins_, psk_identities_;
    Owners<dataplane::Prefix> prefixes_;
};

} // namespace culvert::control
