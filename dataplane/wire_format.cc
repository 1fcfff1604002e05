#include "dataplane/wire_format.h"

#include "dataplane/dtls_format.h"

namespace culvert::dataplane {

const std::array<const WireFormat*, 1> wire_formats{&dtls_format};

} // namespace culvert::dataplane
