#include "control/tunnels/status.h"

namespace culvert::control {

std::string_view name(TunnelState state) {
    switch (state) {
    case TunnelState::down:
        return "down";
    case TunnelState::connecting:
        return "connecting";
    case TunnelState::up:
        return "up";
    }
    return "?";
}

std::string_view name(SessionPhase phase) {
    switch (phase) {
    case SessionPhase::waiting:
        return "waiting";
    case SessionPhase::active:
        return "active";
    case SessionPhase::draining:
        return "draining";
    }
    return "?";
}

std::string_view name(Event::Kind kind) {
    switch (kind) {
    case Event::Kind::peer_added:
        return "peer_added";
    case Event::Kind::peer_changed:
        return "peer_changed";
    case Event::Kind::peer_removed:
        return "peer_removed";
    case Event::Kind::connecting:
        return "connecting";
    case Event::Kind::handshake_failed:
        return "handshake_failed";
    case Event::Kind::handshake_refused:
        return "handshake_refused";
    case Event::Kind::session_up:
        return "session_up";
    case Event::Kind::session_down:
        return "session_down";
    case Event::Kind::rekeyed:
        return "rekeyed";
    case Event::Kind::roamed:
        return "roamed";
    case Event::Kind::path_mtu:
        return "path_mtu";
    case Event::Kind::certificate:
        return "certificate";
    case Event::Kind::tunnel_up:
        return "tunnel_up";
    case Event::Kind::tunnel_down:
        return "tunnel_down";
    }
    return "?";
}

} // namespace culvert::control
