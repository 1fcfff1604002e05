#pragma once

#include "dataplane/address.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <expected>
#include <functional>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::tun_bridge {

/// What the kernel answered. `text` is its own explanation where it gave one, else that of the number.
struct NetlinkError {
    int number = 0; ///< errno
    std::string text;
};

/// One rtnetlink request under construction: the netlink header, one family header, attributes. A request that
/// outgrew its buffer is refused as EMSGSIZE when sent, so putting needs no checks.
class NetlinkMessage {
  public:
    /// `flags`: NLM_F_CREATE and the like, NLM_F_DUMP for dumps; NLM_F_REQUEST and NLM_F_ACK are added when sent.
    NetlinkMessage(std::uint16_t type, std::uint16_t flags);

    /// Appends the zeroed family header (ifinfomsg, rtmsg, ndmsg …). Once, before any attribute. It is invalid
    /// after a move or copy of the message.
    template <typename Header>
    Header& header() {
        return *static_cast<Header*>(mnl_nlmsg_put_extra_header(get(), sizeof(Header)));
    }
    void put(std::uint16_t attribute, std::span<const std::uint8_t> bytes);
    void put(std::uint16_t attribute, std::uint32_t value);
    void put(std::uint16_t attribute, std::uint8_t value);
    void put(std::uint16_t attribute, std::string_view text);               ///< with its terminating zero
    void put(std::uint16_t attribute, const dataplane::IpAddress& address); ///< 4 or 16 bytes, by family
    void begin_nest(std::uint16_t attribute);
    void end_nest(); ///< of the innermost open nest

    nlmsghdr* get() { return reinterpret_cast<nlmsghdr*>(bytes_.data()); }
    const nlmsghdr* get() const { return reinterpret_cast<const nlmsghdr*>(bytes_.data()); }
    bool fits() const { return fits_; }

  private:
    alignas(nlmsghdr) std::array<std::uint8_t, 512> bytes_;
    std::array<std::uint16_t, 4> nests_{}; ///< offsets, so that the message may move
    std::uint8_t open_nests_ = 0;
    bool fits_ = true;
};

/// AF_INET or AF_INET6
std::uint8_t address_family(const dataplane::IpAddress& address);
/// The address in `attribute` (4 or 16 bytes; anything else gives ::).
dataplane::IpAddress address_of(const nlattr* attribute);

/// A NETLINK_ROUTE socket that asks and waits for the answer (the kernel answers within the call). It belongs to
/// the network namespace it was opened in. One thread at a time.
class Netlink {
  public:
    /// `network_namespace`: a name below /run/netns, or empty for the calling thread's own. Error: a sentence.
    static std::expected<Netlink, std::string> open(const std::string& network_namespace = {});

    using Answer = std::function<void(const nlmsghdr&)>;

    /// Sends one request and waits for its acknowledgement. `each` sees messages that come before it (RTM_GETLINK
    /// and RTM_GETROUTE without NLM_F_DUMP answer so).
    std::expected<void, NetlinkError> request(NetlinkMessage& message, const Answer& each = {});
    /// Sends them in few system calls. One errno each, 0 where it was done, in `results` (of the same size).
    void request_all(std::span<NetlinkMessage> messages, std::span<int> results);
    /// Sends a request with NLM_F_DUMP; `each` sees every entry. Asked again where the table changed meanwhile, so
    /// `each` may see entries twice: `restart` (if given) is called before each attempt.
    std::expected<void, NetlinkError> dump(NetlinkMessage& message, const Answer& each,
                                           const std::function<void()>& restart = {});

  private:
    struct Close {
        void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
    };
    explicit Netlink(mnl_socket* socket) : socket_(socket), buffer_(std::size_t{64} * 1024) {}
    std::expected<void, NetlinkError> send(NetlinkMessage& message, std::uint16_t more_flags);
    /// Reads one datagram of answers into `buffer_`.
    std::expected<std::span<const std::uint8_t>, NetlinkError> receive();
    std::expected<void, NetlinkError> wait_for_answer(std::uint32_t sequence, const Answer& each);
    void send_chunk(std::span<NetlinkMessage> messages, std::span<int> results);

    std::unique_ptr<mnl_socket, Close> socket_;
    std::vector<std::uint8_t> buffer_;
    std::uint32_t sequence_ = 0;
};

/// Calls `each` for every attribute of `message` after its family header of `header_size` bytes.
void for_each_attribute(const nlmsghdr& message, std::size_t header_size,
                        const std::function<void(const nlattr&)>& each);

} // namespace culvert::tun_bridge
