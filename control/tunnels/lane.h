#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

/// Which session of a lane sends, when there are several: docs/wire-format-dtls.md, "HELLO".
namespace culvert::control {

struct Contender {
    std::uint32_t generation = 0;
    bool initiator = false;  ///< this end began it
    std::uint64_t order = 0; ///< rises with every session of this gateway
    bool proven = false;     ///< an authenticated record has come on it
    bool active = false;     ///< the lane sends on it now
    bool exhausted = false;  ///< its key seals no more
    bool draining = false;   ///< has lost already
};

/// True: `a` takes over from `b`. The higher generation; between equals of which each end began one, the one that
/// the lower instance began; otherwise the younger. `own_is_lower`: nothing when the other end's instance is
/// unknown.
bool outranks(const Contender& a, const Contender& b, std::optional<bool> own_is_lower);

struct Settlement {
    std::optional<std::size_t> active; ///< to send on from now on
    std::vector<std::size_t> drain;    ///< to be replaced now
};

/// A session is sent on once it is proven; one that this end began, also before, as long as there is no better: so
/// a new tunnel starts at once, and a rekey loses nothing. The others go when their better is proven.
Settlement settle(std::span<const Contender> contenders, std::optional<bool> own_is_lower);

} // namespace culvert::control
