#pragma once

#include "dataplane/dataplane.h"
#include "tests/unit/packet_builder.h"

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <string>
#include <vector>

/// Real dataplanes without root: their port is a pair of rings (net_ring) whose other ends the test holds, so the
/// test is the wire between them, and the bridge's rings, so it is the kernel, too.
namespace culvert::testing {

struct RigOptions {
    unsigned workers = 1;
    std::string engine = "libcrypto";
    std::uint16_t mtu = 1500, vlan = 0;
    std::string address = "192.0.2.1"; ///< outer
};

/// One gateway under test.
class GatewayRig {
  public:
    explicit GatewayRig(const std::string& name, const RigOptions& options = {});
    ~GatewayRig();

    dataplane::Dataplane& dataplane() { return *dataplane_; }
    dataplane::IpAddress address() const { return address_; }

    void from_wire(const Bytes& frame, unsigned queue = 0); ///< as if the NIC had received it
    void from_kernel(const Bytes& packet, unsigned worker = 0);
    /// What has come out since; waits until `count` are there or a deadline passes.
    std::vector<Bytes> to_wire(std::size_t count);
    std::vector<Bytes> to_kernel(std::size_t count);
    /// Nothing more comes once everything has been accounted for.
    void settle();

    struct Told { ///< a Notice that may be kept
        dataplane::Notice notice;
        Bytes bytes;
    };
    std::vector<Told> notices(std::size_t count);
    struct Stranger {
        dataplane::Endpoint local, remote;
        Bytes payload;
    };
    std::vector<Stranger> strangers(std::size_t count);

    std::uint64_t drops(dataplane::DropReason reason) const;
    dataplane::PacketAccount account() const; ///< sum over all workers
    /// rx + generated = tx + consumed + drops + in flight; to be true whenever nothing moves.
    ::testing::AssertionResult balanced() const;

  private:
    std::vector<Bytes> collect(const std::function<std::uint32_t(std::span<rte_mbuf*>)>& dequeue,
                               std::size_t count);

    dataplane::IpAddress address_;
    std::vector<rte_ring*> rx_rings_, tx_rings_;
    std::uint16_t port_ = 0;
    std::unique_ptr<dataplane::Dataplane> dataplane_;
};

/// Waits for a condition; false when it hasn't come within five seconds.
bool eventually(const std::function<bool()>& condition);

/// Two gateways with one peer each and one session between them, keys as given by `seed`.
struct Pair {
    GatewayRig &left, &right;
    dataplane::PeerId left_peer{}, right_peer{}; ///< left_peer: what `left` calls the right gateway
    dataplane::SessionIndex left_session{}, right_session{};
};
struct SessionOptions {
    std::uint8_t seed = 1;
    unsigned left_owner = 0, right_owner = 0;
    std::uint8_t lane = 0;
    std::uint16_t left_port = 4433, right_port = 4433;
    std::uint64_t tx_next = 1;
    std::vector<std::uint64_t> used_nonces{};
    std::uint64_t rekey_after = 0;
    bool tell_indexes = true; ///< as HELLO would
};
/// Adds peers with the prefixes, each other's routes and sources.
Pair introduce(GatewayRig& left, GatewayRig& right, const std::string& left_prefix,
               const std::string& right_prefix, std::uint16_t lanes = 1);
void connect(Pair& pair, const SessionOptions& options = {});

/// Carries what has come out on either side over to the other; `change` may alter a frame or swallow it (empty).
void carry(Pair& pair, std::size_t from_left, std::size_t from_right,
           const std::function<Bytes(Bytes)>& change = {});

inline constexpr std::size_t link_bytes = 14, outer_v4_bytes = 28, record_header_bytes = 13, nonce_bytes = 8;

} // namespace culvert::testing
