#pragma once

#include "control/api/gateway.h"

#include <string>

namespace culvert::control {

/// Every counter in Prometheus' text format 0.0.4.
std::string metrics_text(const Gateway& gateway);

} // namespace culvert::control
