#include "control/tunnels/tunnel_context.h"

namespace culvert::control {

std::uint16_t TunnelContext::port_mtu(dataplane::PortId port) {
    if (const auto known = port_mtus.find(port); known != port_mtus.end())
        return known->second;
    for (const dataplane::PortFigures& each : dataplane.ports())
        port_mtus[each.port] = each.mtu;
    return port_mtus.try_emplace(port, std::uint16_t{1500}).first->second;
}

} // namespace culvert::control
