#include "control/daemon/listeners.h"

#include <fmt/format.h>

namespace culvert::control {

Listeners::~Listeners() {
    for (const auto& [port, held] : held_)
        dataplane_.unlisten(port);
}

std::expected<void, std::string> Listeners::add(const ListenSection& section) {
    const auto format = dataplane::Dataplane::format_by_name(section.format);
    if (!format)
        return std::unexpected(fmt::format("there is no wire format \"{}\"", section.format));
    auto holder = PortHolder::hold(section.port);
    if (!holder)
        return std::unexpected(holder.error());
    held_.emplace(section.port, Held{section.format, std::move(*holder)});
    dataplane_.listen(section.port, *format);
    return {};
}

void Listeners::remove(const ListenSection& section) {
    dataplane_.unlisten(section.port);
    held_.erase(section.port);
}

std::vector<std::string> Listeners::texts() const {
    std::vector<std::string> all;
    for (const auto& [port, held] : held_)
        all.push_back(fmt::format("{} {}", held.format, port));
    return all;
}

} // namespace culvert::control
