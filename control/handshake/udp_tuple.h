#pragma once

#include "dataplane/address.h"

#include <cstddef>
#include <functional>

namespace culvert::control {

/// What tells one handshake from another: both UDP endpoints.
struct UdpTuple {
    dataplane::Endpoint local, remote;
    bool operator==(const UdpTuple&) const = default;
};

} // namespace culvert::control

template <>
struct std::hash<culvert::control::UdpTuple> {
    std::size_t operator()(const culvert::control::UdpTuple& tuple) const noexcept {
        const std::hash<culvert::dataplane::Endpoint> of;
        return of(tuple.local) * 31 + of(tuple.remote);
    }
};
