#include "tun_bridge/netlink.h"

#include "tun_bridge/network_namespace.h"

#include <algorithm>
#include <cerrno>
#include <sys/socket.h>
#include <sys/uio.h>

namespace culvert::tun_bridge {

using dataplane::IpAddress;

NetlinkMessage::NetlinkMessage(std::uint16_t type, std::uint16_t flags) {
    mnl_nlmsg_put_header(bytes_.data());
    get()->nlmsg_type = type;
    get()->nlmsg_flags = flags;
}

void NetlinkMessage::put(std::uint16_t attribute, std::span<const std::uint8_t> bytes) {
    fits_ &= mnl_attr_put_check(get(), bytes_.size(), attribute, bytes.size(), bytes.data());
}

void NetlinkMessage::put(std::uint16_t attribute, std::uint32_t value) {
    fits_ &= mnl_attr_put_u32_check(get(), bytes_.size(), attribute, value);
}

void NetlinkMessage::put(std::uint16_t attribute, std::uint8_t value) {
    fits_ &= mnl_attr_put_u8_check(get(), bytes_.size(), attribute, value);
}

void NetlinkMessage::put(std::uint16_t attribute, std::string_view text) {
    fits_ &= mnl_attr_put_strz_check(get(), bytes_.size(), attribute, std::string(text).c_str());
}

void NetlinkMessage::put(std::uint16_t attribute, const IpAddress& address) {
    const std::span<const std::uint8_t> bytes(address.bytes);
    put(attribute, address.is_v4() ? bytes.last(4) : bytes);
}

void NetlinkMessage::begin_nest(std::uint16_t attribute) {
    const auto offset = static_cast<std::uint16_t>(get()->nlmsg_len);
    if (open_nests_ == nests_.size() || mnl_attr_nest_start_check(get(), bytes_.size(), attribute) == nullptr) {
        fits_ = false;
        return;
    }
    nests_[open_nests_++] = offset;
}

void NetlinkMessage::end_nest() {
    if (open_nests_ == 0)
        return;
    --open_nests_;
    mnl_attr_nest_end(get(), reinterpret_cast<nlattr*>(bytes_.data() + nests_[open_nests_]));
}

std::uint8_t address_family(const IpAddress& address) {
    return address.is_v4() ? AF_INET : AF_INET6;
}

IpAddress address_of(const nlattr* attribute) {
    const auto* bytes = static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute));
    IpAddress address;
    if (mnl_attr_get_payload_len(attribute) == 4) {
        address.bytes[10] = address.bytes[11] = 0xff;
        std::copy_n(bytes, 4, address.bytes.begin() + 12);
    } else if (mnl_attr_get_payload_len(attribute) == 16) {
        std::copy_n(bytes, 16, address.bytes.begin());
    }
    return address;
}

void for_each_attribute(const nlmsghdr& message, std::size_t header_size,
                        const std::function<void(const nlattr&)>& each) {
    // mnl_attr_for_each() is C: it converts from void*
    const auto* attribute = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&message, header_size));
    const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(&message));
    while (mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)))) {
        each(*attribute);
        attribute = mnl_attr_next(attribute);
    }
}

namespace {

NetlinkError error_from(int number, std::string_view kernel_text = {}) {
    return {number, kernel_text.empty() ? std::strerror(number) : std::string(kernel_text)};
}

/// NLMSG_ERROR's errno, and the kernel's own words where it sent some (NLMSGERR_ATTR_MSG).
NetlinkError error_in(const nlmsghdr& message) {
    if (message.nlmsg_len < mnl_nlmsg_size(sizeof(nlmsgerr)))
        return error_from(EBADMSG);
    const auto& failure = *static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&message));
    if (failure.error == 0)
        return {};
    std::string_view text;
    // With NETLINK_CAP_ACK the request's payload is not repeated, only its header, which nlmsgerr holds.
    if ((message.nlmsg_flags & NLM_F_ACK_TLVS) != 0)
        for_each_attribute(message, sizeof(nlmsgerr), [&](const nlattr& attribute) {
            if (mnl_attr_get_type(&attribute) == NLMSGERR_ATTR_MSG &&
                mnl_attr_validate(&attribute, MNL_TYPE_NUL_STRING) == 0)
                text = mnl_attr_get_str(&attribute);
        });
    return error_from(-failure.error, text);
}

} // namespace

std::expected<Netlink, std::string> Netlink::open(const std::string& network_namespace) {
    mnl_socket* socket = nullptr;
    int failure = 0;
    const auto opened = run_in_network_namespace(network_namespace, [&] {
        socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
        failure = errno;
    });
    if (!opened)
        return std::unexpected(opened.error());
    if (socket == nullptr)
        return std::unexpected(std::string("netlink: cannot open a socket: ") + std::strerror(failure));
    Netlink netlink(socket);
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0)
        return std::unexpected(std::string("netlink: cannot bind its socket: ") + std::strerror(errno));
    int on = 1;
    for (const int option : {NETLINK_CAP_ACK, NETLINK_EXT_ACK})
        mnl_socket_setsockopt(socket, option, &on, sizeof(on)); // both only improve messages
    return netlink;
}

std::expected<void, NetlinkError> Netlink::send(NetlinkMessage& message, std::uint16_t more_flags) {
    if (!message.fits())
        return std::unexpected(error_from(EMSGSIZE));
    nlmsghdr* header = message.get();
    header->nlmsg_flags = static_cast<std::uint16_t>(header->nlmsg_flags | NLM_F_REQUEST | more_flags);
    header->nlmsg_seq = ++sequence_;
    if (mnl_socket_sendto(socket_.get(), header, header->nlmsg_len) < 0)
        return std::unexpected(error_from(errno));
    return {};
}

std::expected<std::span<const std::uint8_t>, NetlinkError> Netlink::receive() {
    ssize_t length;
    do
        length = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
    while (length < 0 && errno == EINTR);
    if (length < 0)
        return std::unexpected(error_from(errno));
    return std::span<const std::uint8_t>(buffer_.data(), static_cast<std::size_t>(length));
}

std::expected<void, NetlinkError> Netlink::wait_for_answer(std::uint32_t sequence, const Answer& each) {
    bool interrupted = false;
    for (;;) {
        const auto datagram = receive();
        if (!datagram)
            return std::unexpected(datagram.error());
        int left = static_cast<int>(datagram->size());
        for (const auto* message = reinterpret_cast<const nlmsghdr*>(datagram->data());
             mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
            if (message->nlmsg_seq != sequence)
                continue; // left over from a request that was given up
            interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            if (message->nlmsg_type == NLMSG_ERROR) {
                const NetlinkError error = error_in(*message);
                return error.number == 0 ? std::expected<void, NetlinkError>{} : std::unexpected(error);
            }
            if (message->nlmsg_type == NLMSG_DONE)
                return interrupted ? std::unexpected(error_from(EINTR)) : std::expected<void, NetlinkError>{};
            if (message->nlmsg_type >= NLMSG_MIN_TYPE && each)
                each(*message);
        }
    }
}

std::expected<void, NetlinkError> Netlink::request(NetlinkMessage& message, const Answer& each) {
    const auto sent = send(message, NLM_F_ACK);
    return sent ? wait_for_answer(sequence_, each) : sent;
}

std::expected<void, NetlinkError> Netlink::dump(NetlinkMessage& message, const Answer& each,
                                                const std::function<void()>& restart) {
    std::expected<void, NetlinkError> done;
    for (int attempt = 0; attempt < 5; ++attempt) {
        if (restart)
            restart();
        done = send(message, NLM_F_DUMP);
        if (done)
            done = wait_for_answer(sequence_, each);
        if (done || done.error().number != EINTR)
            break;
    }
    return done;
}

void Netlink::request_all(std::span<NetlinkMessage> messages, std::span<int> results) {
    // Each acknowledgement takes about 1 KB of the socket's receive buffer (212,992 bytes by default) until it is
    // read.
    constexpr std::size_t chunk = 100;
    for (std::size_t first = 0; first < messages.size(); first += chunk) {
        const std::size_t count = std::min(chunk, messages.size() - first);
        send_chunk(messages.subspan(first, count), results.subspan(first, count));
    }
}

void Netlink::send_chunk(std::span<NetlinkMessage> messages, std::span<int> results) {
    const std::uint32_t first = sequence_ + 1;
    std::vector<iovec> parts;
    std::size_t waiting = 0;
    for (std::size_t i = 0; i < messages.size(); ++i) {
        nlmsghdr* header = messages[i].get();
        header->nlmsg_flags = static_cast<std::uint16_t>(header->nlmsg_flags | NLM_F_REQUEST | NLM_F_ACK);
        header->nlmsg_seq = ++sequence_;
        results[i] = messages[i].fits() ? EINPROGRESS : EMSGSIZE;
        if (messages[i].fits()) {
            parts.push_back({header, header->nlmsg_len}); // a multiple of 4: no padding between messages
            ++waiting;
        }
    }
    msghdr all{};
    all.msg_iov = parts.data();
    all.msg_iovlen = parts.size();
    int failure = 0;
    if (::sendmsg(mnl_socket_get_fd(socket_.get()), &all, 0) < 0)
        failure = errno;
    while (waiting > 0 && failure == 0) {
        const auto datagram = receive();
        if (!datagram) {
            failure = datagram.error().number;
            break;
        }
        int left = static_cast<int>(datagram->size());
        for (const auto* message = reinterpret_cast<const nlmsghdr*>(datagram->data());
             mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
            const std::uint32_t index = message->nlmsg_seq - first;
            if (message->nlmsg_type != NLMSG_ERROR || index >= results.size() || results[index] != EINPROGRESS)
                continue;
            results[index] = error_in(*message).number;
            --waiting;
        }
    }
    for (int& result : results)
        result = result == EINPROGRESS ? failure : result;
}

} // namespace culvert::tun_bridge
