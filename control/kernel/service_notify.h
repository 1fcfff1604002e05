#pragma once

#include <string>

/// What a service of systemd's Type=notify tells its manager (sd_notify(3)). Without a manager all do nothing:
/// false.
namespace culvert::control {

/// Ready to serve, also after a reload; `status` is the line that `systemctl status` shows.
bool notify_ready(const std::string& status);
bool notify_reloading();
bool notify_stopping();
bool notify_status(const std::string& status);

} // namespace culvert::control
