#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace culvert::dataplane {

/// The inner nodes of a PrefixTable: arrays of 256 entries in one reserved range of addresses, so that a 31-bit
/// number stands for a node and nodes never move. Memory is taken from the kernel as the table grows, 2 MB at a
/// time, and kept for reuse. Readers use entries() alone; all else is the one writer's.
class PrefixNodes {
  public:
    using Entry = std::atomic<std::uint32_t>;
    static constexpr std::size_t entries_per_node = 256;
    static constexpr std::size_t capacity = std::size_t{1} << 23; ///< 8 GiB of addresses, taken but not filled

    /// What only the writer needs to know of a node.
    struct Shadow {
        /// Per entry, one more than the length of the prefix whose value it has; 0: none has one.
        std::array<std::uint8_t, entries_per_node> owner;
        std::uint32_t prefixes; ///< how many prefixes end in this node or below it
    };

    PrefixNodes(); ///< throws std::bad_alloc
    ~PrefixNodes();
    PrefixNodes(const PrefixNodes&) = delete;
    PrefixNodes& operator=(const PrefixNodes&) = delete;

    /// Makes sure that the next `count` calls of take() succeed. Throws std::bad_alloc, and has changed nothing
    /// then.
    void reserve(std::size_t count);
    /// A node all of whose entries hold `value` of `owner`.
    std::uint32_t take(std::uint32_t value, std::uint8_t owner) noexcept;
    /// For nodes that no reader can reach any more.
    void give_back(std::uint32_t node) noexcept { free_.push_back(node); } // never grows: see reserve()

    Entry* entries(std::uint32_t node) const noexcept { return base_ + node * entries_per_node; }
    Shadow& shadow(std::uint32_t node) noexcept { return shadows_[node]; }
    std::size_t in_use() const noexcept { return shadows_.size() - free_.size(); }

  private:
    void grow();

    std::byte* reserved_ = nullptr;
    Entry* base_ = nullptr;
    std::deque<Shadow> shadows_;
    std::vector<std::uint32_t> free_;
};

} // namespace culvert::dataplane
