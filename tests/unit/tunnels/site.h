#pragma once

#include "control/tunnels/tunnels.h"
#include "tests/unit/handshake/identity.h"
#include "tests/unit/tunnels/memory_network.h"

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace culvert::control::tests {

using namespace std::chrono_literals;

/// Short timers: everything happens about ten times as fast as in life.
Timing quick_timing();

/// One gateway: real Tunnels with real handshakes over a data plane in memory, and all that a kernel would tell
/// them.
class Site final : public Paths, public Names, public LocalPorts {
  public:
    static constexpr std::uint16_t listen_port = 4433;

    Site(boost::asio::io_context& io, MemoryNetwork& network, const std::string& name, const std::string& address);
    ~Site() override;

    void start(TunnelsSettings settings); ///< from nothing
    void kill();                          ///< as by kill -9: nobody is told
    bool running() const { return tunnels_ != nullptr; }
    Tunnels& tunnels() { return *tunnels_; }
    MemoryDataplane& dataplane() { return *dataplane_; }

    std::string pin() const;
    const dataplane::IpAddress& address() const { return address_; }
    const std::string& name() const { return name_; }
    dataplane::Prefix prefix() const;              ///< of the network behind it
    PeerSection as_peer(bool with_endpoint) const; ///< how others configure it

    PeerStatus peer(const std::string& name) const;
    bool up(const std::string& peer) const { return this->peer(peer).state == TunnelState::up; }
    /// Its active session in a lane; none: SessionIndex 0.
    SessionStatus active(const std::string& peer, std::uint8_t lane = 0) const;
    std::size_t events(Event::Kind kind, const std::string& text = "") const; ///< that hold `text`

    /// The kernel takes another source address towards everybody.
    void change_source(const dataplane::IpAddress& source);

    std::map<std::string, std::vector<dataplane::IpAddress>> names;
    std::size_t names_asked = 0;
    std::size_t ports_held = 0;
    std::set<dataplane::IpAddress> unreachable;
    std::vector<Event> log;
    std::map<dataplane::Prefix, dataplane::InstanceId> kernel_routes;

    // --- what a kernel says
    std::unique_ptr<Watch> watch(const dataplane::IpAddress& remote, Changed changed) override;
    void resolve(const std::string& host, Resolved resolved) override;
    std::expected<std::unique_ptr<HeldPort>, std::string> hold_any() override;

  private:
    class PathWatch;
    void tell_path(const dataplane::IpAddress& remote, const Changed& changed) const;

    boost::asio::io_context& io_;
    MemoryNetwork& network_;
    const std::string name_;
    const dataplane::IpAddress address_;
    dataplane::IpAddress source_;
    const Identity identity_ = make_identity();
    std::set<PathWatch*> watches_;
    std::uint16_t next_port_ = 40000;
    std::unique_ptr<MemoryDataplane> dataplane_;
    std::unique_ptr<Tunnels> tunnels_;
};

/// Two gateways, joined by memory, on one thread.
class TwoSites : public testing::Test {
  protected:
    TwoSites();
    ~TwoSites() override;

    /// Runs both until the condition holds. False: it did not in time.
    bool until(const std::function<bool()>& condition, std::chrono::milliseconds patience = 15s);
    void run(std::chrono::milliseconds time);
    /// Both know the other by its pin; `paris` has an endpoint of `tokyo`, and the other way round if so.
    void introduce(bool paris_calls, bool tokyo_calls, const std::function<void(PeerSection&)>& change = {});
    bool both_up() { return paris.up("tokyo") && tokyo.up("paris"); }
    /// Each end's active session in the lane is the other's.
    bool agree(std::uint8_t lane = 0);
    bool settled(); ///< up, agreed, and no session beside the active one
    /// An inner packet each way arrives.
    bool carries(std::uint32_t flow = 0);

    std::filesystem::path psk_file(std::uint8_t fill);

    TunnelsSettings settings;
    boost::asio::io_context io;
    MemoryNetwork network;
    Site paris, tokyo;

  private:
    std::vector<std::filesystem::path> files_;
};

} // namespace culvert::control::tests
