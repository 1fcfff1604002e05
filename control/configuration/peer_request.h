#pragma once

#include "control/configuration/configuration.h"

#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

/// Peers that are added or changed while the gateway runs: the keys of a [[peer]] as a JSON object, checked as
/// those of a file are. Errors have the position's file empty and line 0.
namespace culvert::control {

/// A new peer; null is as if the key weren't there. `running` holds the peers that there are now, those added by
/// hand as well.
std::expected<PeerSection, std::vector<ConfigurationError>> new_peer(const nlohmann::json& keys,
                                                                     const Configuration& running);

/// An existing peer with some keys changed; null takes a key back to its default. A new pin replaces a psk_file
/// and the other way round.
std::expected<PeerSection, std::vector<ConfigurationError>>
changed_peer(const std::string& name, const nlohmann::json& changes, const Configuration& running);

/// The keys that differ from their defaults, as the file has them.
nlohmann::json to_json(const PeerSection& peer);

} // namespace culvert::control
