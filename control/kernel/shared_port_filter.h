#pragma once

#include "dataplane/address.h"

#include <cstdint>
#include <expected>
#include <memory>
#include <set>
#include <string>
#include <vector>

struct nft_ctx;

namespace culvert::control {

/// Keeps the kernel from handling the tunnels' packets of a shared interface (af_packet) a second time: an
/// nftables rule drops them where they enter, behind the place where the port has got its copy. This saves the
/// kernel's way from IP to the held socket, which would drop them as well, and keeps them out of its connection
/// tracking. The rules are owned by this process: the kernel removes them when it ends, however it ends. One
/// thread at a time. In the network namespace of the thread that opened it.
class SharedPortFilter {
  public:
    /// A shared interface and its own addresses; packets to others are none of the tunnels'.
    struct Interface {
        std::string name;
        std::vector<dataplane::IpAddress> addresses;
        bool operator==(const Interface&) const = default;
    };

    /// Error: a sentence. A gateway works without the filter, too: the kernel may lack nftables, or be older than
    /// Linux 5.12, which brought owned tables.
    static std::expected<std::unique_ptr<SharedPortFilter>, std::string> open(std::vector<Interface> interfaces);
    ~SharedPortFilter();
    SharedPortFilter(const SharedPortFilter&) = delete;
    SharedPortFilter& operator=(const SharedPortFilter&) = delete;

    /// Other addresses or interfaces from now on; the ports stay.
    std::expected<void, std::string> set_interfaces(std::vector<Interface> interfaces);
    /// Tunnels' local UDP ports. A refusal costs speed alone and isn't told.
    void add(std::uint16_t udp_port);
    void remove(std::uint16_t udp_port);

  private:
    SharedPortFilter();
    std::expected<void, std::string> apply();
    std::expected<void, std::string> run(const std::string& commands);
    void change_ports(const char* verb, std::uint16_t udp_port);

    struct Free {
        void operator()(nft_ctx* context) const;
    };
    std::unique_ptr<nft_ctx, Free> context_;
    std::vector<Interface> interfaces_;
    std::set<std::uint16_t> ports_;
    bool there_ = false; ///< our table is in the kernel
};

} // namespace culvert::control
