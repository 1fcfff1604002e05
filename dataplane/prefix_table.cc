#include "dataplane/prefix_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <stdexcept>
#include <vector>

namespace culvert::dataplane {
namespace {

constexpr std::uint32_t child_bit = std::uint32_t{1} << 31;
constexpr unsigned root_stride = 16, node_stride = 8;
constexpr std::size_t root_entries = std::size_t{1} << root_stride;
constexpr std::size_t most_levels = (128 - root_stride) / node_stride; // below the root

using Bits = unsigned __int128;

bool is_child(std::uint32_t entry) {
    return (entry & child_bit) != 0;
}

Bits masked(Bits bits, unsigned length) {
    return length == 0 ? 0 : bits & (~Bits{0} << (128 - length));
}

std::size_t slot_of(Bits bits, unsigned depth, unsigned stride) {
    return static_cast<std::size_t>(bits << depth >> (128 - stride));
}

std::pair<Bits, std::uint8_t> key_of(const Prefix& prefix) {
    Bits bits = 0;
    for (std::size_t byte = prefix.is_v4() ? 12 : 0; byte < 16; ++byte)
        bits = bits << 8 | prefix.address.bytes[byte];
    if (prefix.is_v4())
        bits <<= 96;
    return {masked(bits, prefix.length), prefix.length};
}

/// The longest prefix that covers `key` and isn't itself, or the end. Its neighbours of the same length are
/// stepped over: the one before says how many leading bits a covering prefix can have at most.
template <typename Prefixes, typename Key>
auto covering(const Prefixes& prefixes, const Key& key) {
    Key bound = key;
    for (auto at = prefixes.lower_bound(bound); at != prefixes.begin(); at = prefixes.upper_bound(bound)) {
        --at;
        const auto& [bits, length] = at->first;
        if (length < key.second && masked(key.first, length) == bits)
            return at;
        const Bits differing = bits ^ key.first;
        const auto high = static_cast<std::uint64_t>(differing >> 64), low = static_cast<std::uint64_t>(differing);
        const int common = high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(low);
        bound.second = static_cast<std::uint8_t>(std::min(common, bound.second - 1));
        bound.first = masked(key.first, bound.second);
    }
    return prefixes.end();
}

} // namespace

/// The way from the root to where a prefix ends: the row whose entries it fills, and the nodes passed.
struct PrefixTable::Way {
    struct Step {
        Row from;
        std::size_t slot;
        std::uint32_t node; ///< that the slot leads to
    };
    Row row{};
    std::size_t first = 0, count = 0;
    std::array<Step, most_levels> steps{};
    std::size_t levels = 0;
};

PrefixTable::Trie::Trie()
    : root(std::make_unique<Entry[]>(root_entries)), root_owner(std::make_unique<std::uint8_t[]>(root_entries)) {}

PrefixTable::PrefixTable(Defer defer) : defer_(std::move(defer)), nodes_(std::make_shared<PrefixNodes>()) {}
PrefixTable::~PrefixTable() = default;

PrefixTable::Row PrefixTable::row_of(std::uint32_t node) const noexcept {
    return {nodes_->entries(node), nodes_->shadow(node).owner.data()};
}

PrefixTable::Way PrefixTable::walk(Trie& trie, const Key& key, bool grow) noexcept {
    Way way;
    way.row = {trie.root.get(), trie.root_owner.get()};
    unsigned depth = 0, stride = root_stride;
    for (; key.second > depth + stride; depth += stride, stride = node_stride) {
        const std::size_t slot = slot_of(key.first, depth, stride);
        std::uint32_t entry = way.row.entries[slot].load(std::memory_order_relaxed);
        if (!is_child(entry) && grow) {
            entry = nodes_->take(entry, way.row.owner[slot]) | child_bit;
            way.row.entries[slot].store(entry, std::memory_order_release); // with all that take() wrote
        }
        const std::uint32_t node = entry & ~child_bit;
        way.steps[way.levels++] = {way.row, slot, node};
        way.row = row_of(node);
    }
    way.first = slot_of(key.first, depth, stride);
    way.count = std::size_t{1} << (depth + stride - key.second);
    return way;
}

/// Gives the match to all entries in range, and below, except what prefixes longer than `owner` − 1 hold.
void PrefixTable::fill(Row row, std::size_t first, std::size_t count, std::uint8_t owner, Match match) noexcept {
    for (std::size_t slot = first; slot < first + count; ++slot) {
        const std::uint32_t entry = row.entries[slot].load(std::memory_order_relaxed);
        if (is_child(entry)) {
            fill(row_of(entry & ~child_bit), 0, PrefixNodes::entries_per_node, owner, match);
        } else if (row.owner[slot] <= owner) {
            row.owner[slot] = match.owner;
            row.entries[slot].store(match.value, std::memory_order_release);
        }
    }
}

bool PrefixTable::insert(const Prefix& prefix, std::uint32_t value) {
    if (value == 0 || is_child(value))
        throw std::invalid_argument("a prefix's value is from 1 to 2147483647");
    if (prefix.length > (prefix.is_v4() ? 32 : 128))
        throw std::invalid_argument("prefix length out of range");
    Trie& trie = trie_of(prefix);
    const Key key = key_of(prefix);
    nodes_->reserve(most_levels); // all that can fail comes first
    const bool fresh = trie.prefixes.insert_or_assign(key, value).second;

    const Way way = walk(trie, key, true);
    for (const Way::Step& step : std::span(way.steps).first(way.levels))
        nodes_->shadow(step.node).prefixes += fresh ? 1 : 0;
    const auto owner = static_cast<std::uint8_t>(key.second + 1);
    fill(way.row, way.first, way.count, owner, {value, owner});
    return fresh;
}

bool PrefixTable::remove(const Prefix& prefix) {
    Trie& trie = trie_of(prefix);
    const Key key = key_of(prefix);
    if (trie.prefixes.erase(key) == 0)
        return false;
    Match heir;
    if (const auto cover = covering(trie.prefixes, key); cover != trie.prefixes.end())
        heir = {cover->second, static_cast<std::uint8_t>(cover->first.second + 1)};

    const Way way = walk(trie, key, false);
    const std::span steps = std::span(way.steps).first(way.levels);
    for (const Way::Step& step : steps)
        --nodes_->shadow(step.node).prefixes;
    const auto empty = std::ranges::find_if(
        steps, [&](const Way::Step& step) { return nodes_->shadow(step.node).prefixes == 0; });
    if (empty == steps.end()) {
        fill(way.row, way.first, way.count, static_cast<std::uint8_t>(key.second + 1), heir);
        return true;
    }
    // From here down every entry is the heir's, once the prefix is gone: one entry stands for them all.
    empty->from.owner[empty->slot] = heir.owner;
    empty->from.entries[empty->slot].store(heir.value, std::memory_order_release);
    std::vector<std::uint32_t> unreachable;
    for (auto step = empty; step != steps.end(); ++step)
        unreachable.push_back(step->node);
    defer_([nodes = nodes_, unreachable = std::move(unreachable)] {
        for (const std::uint32_t node : unreachable)
            nodes->give_back(node);
    });
    return true;
}

std::optional<std::uint32_t> PrefixTable::find(const Prefix& prefix) const {
    const Trie& trie = trie_of(prefix);
    const auto at = trie.prefixes.find(key_of(prefix));
    return at == trie.prefixes.end() ? std::nullopt : std::optional(at->second);
}

namespace {

/// The entry that a byte of the address leads to, below an entry that is a child.
struct Below {
    const PrefixNodes::Entry* nodes;
    const PrefixNodes::Entry& operator()(std::uint32_t child, std::uint32_t byte) const {
        return nodes[(child & ~child_bit) * PrefixNodes::entries_per_node + (byte & 0xff)];
    }
};

std::size_t root_slot(const std::uint8_t* v6_address) {
    return std::size_t{v6_address[0]} << 8 | v6_address[1];
}

} // namespace

std::uint32_t PrefixTable::lookup_v4(std::uint32_t address) const noexcept {
    const Below below{nodes_->entries(0)};
    std::uint32_t found = v4_.root[address >> 16].load(std::memory_order_acquire);
    for (unsigned shift = 8; is_child(found); shift -= 8)
        found = below(found, address >> shift).load(std::memory_order_acquire);
    return found;
}

std::uint32_t PrefixTable::lookup_v6(const std::uint8_t* address) const noexcept {
    const Below below{nodes_->entries(0)};
    std::uint32_t found = v6_.root[root_slot(address)].load(std::memory_order_acquire);
    for (std::size_t byte = 2; is_child(found); ++byte)
        found = below(found, address[byte]).load(std::memory_order_acquire);
    return found;
}

// The bursts: each pass loads what the pass before has prefetched; `values` holds the nodes reached meanwhile.

void PrefixTable::lookup_v4(std::span<const std::uint32_t> addresses,
                            std::span<std::uint32_t> values) const noexcept {
    const Below below{nodes_->entries(0)};
    for (const std::uint32_t address : addresses)
        __builtin_prefetch(&v4_.root[address >> 16]);
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        values[i] = v4_.root[addresses[i] >> 16].load(std::memory_order_acquire);
        if (is_child(values[i]))
            __builtin_prefetch(&below(values[i], addresses[i] >> 8));
    }
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        if (!is_child(values[i]))
            continue;
        values[i] = below(values[i], addresses[i] >> 8).load(std::memory_order_acquire);
        if (is_child(values[i]))
            __builtin_prefetch(&below(values[i], addresses[i]));
    }
    for (std::size_t i = 0; i < addresses.size(); ++i)
        if (is_child(values[i]))
            values[i] = below(values[i], addresses[i]).load(std::memory_order_acquire);
}

void PrefixTable::lookup_v6(std::span<const std::uint8_t* const> addresses,
                            std::span<std::uint32_t> values) const noexcept {
    const Below below{nodes_->entries(0)};
    for (const std::uint8_t* address : addresses)
        __builtin_prefetch(&v6_.root[root_slot(address)]);
    bool deeper = false;
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        values[i] = v6_.root[root_slot(addresses[i])].load(std::memory_order_acquire);
        if (is_child(values[i])) {
            __builtin_prefetch(&below(values[i], addresses[i][2]));
            deeper = true;
        }
    }
    for (std::size_t byte = 2; deeper; ++byte) {
        deeper = false;
        for (std::size_t i = 0; i < addresses.size(); ++i) {
            if (!is_child(values[i]))
                continue;
            values[i] = below(values[i], addresses[i][byte]).load(std::memory_order_acquire);
            if (is_child(values[i])) {
                __builtin_prefetch(&below(values[i], addresses[i][byte + 1]));
                deeper = true;
            }
        }
    }
}

} // namespace culvert::dataplane
