#pragma once

#include "dataplane/address.h"
#include "dataplane/prefix_nodes.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace culvert::dataplane {

/// Longest-prefix match from IPv4 and IPv6 addresses to values from 1 to 2^31 − 1; 0 is "no match".
///
/// A multibit trie with pushed leaves: 16 bits at the root, then 8 a level, so IPv4 costs one to three loads and
/// IPv6 as many as the prefixes there are long. An entry is one 32-bit atomic, either a value or a node's number.
///
/// Why not DPDK 22.11's: rte_fib has no RCU, so it would take two copies, one of them updated while the other
/// serves, of 64 MB or 128 MB each; rte_lpm has 24-bit values and slow bulk adds. This one takes 0.6 MB empty,
/// then 1.3 KB a node that some prefix needs, and is changed in place under its readers.
///
/// One writer thread; any number of readers that never wait. A reader sees each change of one address's match
/// whole, before or after, and no other match touched. Readers must be inside an RCU read section (rte_rcu_qsbr
/// online, no quiescent state during a call): nodes that a removal emptied go to `defer`, which has to run the
/// function given once all of today's readers have passed, on the writer's thread. It may be kept beyond the
/// table's own life.
class PrefixTable {
  public:
    using Defer = std::function<void(std::function<void()>)>;

    explicit PrefixTable(Defer defer); ///< throws std::bad_alloc
    ~PrefixTable();
    PrefixTable(const PrefixTable&) = delete;
    PrefixTable& operator=(const PrefixTable&) = delete;

    // --- the writer
    /// Adds the prefix or changes its value. True: it is new. Host bits are ignored. Throws std::invalid_argument
    /// for a value or length out of range, std::bad_alloc without memory; both leave the table as it was.
    bool insert(const Prefix& prefix, std::uint32_t value);
    /// The next shorter prefix takes over, if there is one. False: there was no such prefix.
    bool remove(const Prefix& prefix);
    std::optional<std::uint32_t> find(const Prefix& prefix) const; ///< exactly this one
    std::size_t size() const noexcept { return v4_.prefixes.size() + v6_.prefixes.size(); }
    std::size_t nodes() const noexcept { return nodes_->in_use(); } ///< those awaiting their readers too

    // --- readers
    std::uint32_t lookup_v4(std::uint32_t address) const noexcept;       ///< host byte order
    std::uint32_t lookup_v6(const std::uint8_t* address) const noexcept; ///< 16 bytes
    /// A burst, level by level, so that cache misses overlap. `values` is as long as `addresses`.
    void lookup_v4(std::span<const std::uint32_t> addresses, std::span<std::uint32_t> values) const noexcept;
    void lookup_v6(std::span<const std::uint8_t* const> addresses, std::span<std::uint32_t> values) const noexcept;

  private:
    using Entry = PrefixNodes::Entry;
    using Bits = unsigned __int128; ///< an address's bits from the top; IPv4 fills the upper 32
    using Key = std::pair<Bits, std::uint8_t>;
    struct Trie {
        Trie();
        std::unique_ptr<Entry[]> root;
        std::unique_ptr<std::uint8_t[]> root_owner; ///< as PrefixNodes::Shadow::owner
        std::map<Key, std::uint32_t> prefixes;
    };
    struct Row { ///< the root's or a node's entries, with what the writer knows of them
        Entry* entries;
        std::uint8_t* owner;
    };
    struct Match { ///< what an entry holds: a prefix's value and its length + 1
        std::uint32_t value = 0;
        std::uint8_t owner = 0;
    };
    struct Way;

    Trie& trie_of(const Prefix& prefix) noexcept { return prefix.is_v4() ? v4_ : v6_; }
    const Trie& trie_of(const Prefix& prefix) const noexcept { return prefix.is_v4() ? v4_ : v6_; }
    Row row_of(std::uint32_t node) const noexcept;
    Way walk(Trie& trie, const Key& key, bool grow) noexcept;
    void fill(Row row, std::size_t first, std::size_t count, std::uint8_t owner, Match match) noexcept;

    Defer defer_;
    std::shared_ptr<PrefixNodes> nodes_; ///< shared with deferred functions
    Trie v4_, v6_;
};

} // namespace culvert::dataplane
