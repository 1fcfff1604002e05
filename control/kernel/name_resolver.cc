#include "control/kernel/name_resolver.h"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace culvert::control {
namespace {

using dataplane::IpAddress;

IpAddress address_from(const boost::asio::ip::address& address) {
    if (address.is_v4()) {
        IpAddress out;
        const auto bytes = address.to_v4().to_bytes();
        out.bytes[10] = out.bytes[11] = 0xff;
        std::ranges::copy(bytes, out.bytes.begin() + 12);
        return out;
    }
    return IpAddress::v6(address.to_v6().to_bytes());
}

} // namespace

void NameResolver::resolve(const std::string& host, Resolved resolved) {
    const std::weak_ptr<bool> alive = alive_;
    if (const auto address = IpAddress::parse(host)) {
        boost::asio::post(io_, [alive, address = *address, resolved = std::move(resolved)] {
            if (!alive.expired())
                resolved(std::vector{address});
        });
        return;
    }
    resolver_.async_resolve(
        host, "",
        [alive, host, resolved = std::move(resolved)](const boost::system::error_code& error,
                                                      const auto& results) {
            if (alive.expired())
                return;
            std::vector<IpAddress> addresses;
            for (const auto& result : results)
                if (const IpAddress address = address_from(result.endpoint().address());
                    std::ranges::find(addresses, address) == addresses.end())
                    addresses.push_back(address);
            if (error || addresses.empty())
                resolved(std::unexpected("the name \"" + host + "\" can't be resolved" +
                                         (error ? ": " + error.message() : std::string(": it has no address"))));
            else
                resolved(std::move(addresses));
        });
}

} // namespace culvert::control
