#pragma once

#include "control/tunnels/status.h"

#include <string>

/// The daemon's log: one line an event, on the standard error. Under systemd without time stamps, as the journal
/// has its own. Never a packet, never a secret.
namespace culvert::control {

void start_log();
void set_log_level(const std::string& level); ///< "debug", "info", "warning", "error"
void log_event(const Event& event);

} // namespace culvert::control
