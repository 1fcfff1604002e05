#pragma once

namespace culvert::control {

inline constexpr const char* version = CULVERT_VERSION; ///< from meson.build

} // namespace culvert::control
