#pragma once

#include "tun_bridge/file_descriptor.h"

#include <expected>
#include <functional>
#include <string>

namespace culvert::tun_bridge {

/// Opens the namespace NAME that lies below /run/netns, as `ip netns add NAME` makes it. Error: a sentence.
std::expected<FileDescriptor, std::string> open_network_namespace(const std::string& name);

/// Runs `work` inside the network namespace `name` (empty: the caller's own) and returns when it is done. It runs
/// on a thread of its own, so the caller's namespace never changes; sockets and TUN devices opened there stay in
/// that namespace for life, whoever uses them. Needs CAP_SYS_ADMIN unless `name` is empty. Error: a sentence, and
/// `work` has not run. `work` must not throw.
std::expected<void, std::string> run_in_network_namespace(const std::string& name,
                                                          const std::function<void()>& work);

} // namespace culvert::tun_bridge
