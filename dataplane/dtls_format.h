#pragma once

#include "dataplane/wire_format.h"

namespace culvert::dataplane {

/// DTLS 1.2 records, docs/wire-format-dtls.md. Keys come from a handshake that control has finished.
extern const WireFormat dtls_format;

} // namespace culvert::dataplane
