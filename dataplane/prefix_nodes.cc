#include "dataplane/prefix_nodes.h"

#include <new>
#include <sys/mman.h>

namespace culvert::dataplane {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{2} << 20; // a huge page, where the kernel has one to spare
constexpr std::size_t node_bytes = PrefixNodes::entries_per_node * sizeof(PrefixNodes::Entry);
constexpr std::size_t chunk_nodes = chunk_bytes / node_bytes;
constexpr std::size_t reserved_bytes = PrefixNodes::capacity * node_bytes + chunk_bytes;
static_assert(PrefixNodes::Entry::is_always_lock_free && sizeof(PrefixNodes::Entry) == 4);

} // namespace

PrefixNodes::PrefixNodes() {
    void* range = mmap(nullptr, reserved_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED)
        throw std::bad_alloc();
    reserved_ = static_cast<std::byte*>(range);
    const std::size_t beyond = reinterpret_cast<std::uintptr_t>(range) % chunk_bytes;
    base_ = reinterpret_cast<Entry*>(reserved_ + (beyond == 0 ? 0 : chunk_bytes - beyond));
}

PrefixNodes::~PrefixNodes() {
    munmap(reserved_, reserved_bytes);
}

void PrefixNodes::grow() {
    const std::size_t first = shadows_.size();
    if (first + chunk_nodes > capacity)
        throw std::bad_alloc();
    free_.reserve(first + chunk_nodes); // room for all nodes at once, so that give_back() needs no memory
    shadows_.resize(first + chunk_nodes);
    void* chunk = entries(static_cast<std::uint32_t>(first));
    if (mprotect(chunk, chunk_bytes, PROT_READ | PROT_WRITE) != 0) {
        shadows_.resize(first);
        throw std::bad_alloc();
    }
    madvise(chunk, chunk_bytes, MADV_HUGEPAGE); // a hint; refusal costs speed alone
    for (std::size_t node = first + chunk_nodes; node-- > first;)
        free_.push_back(static_cast<std::uint32_t>(node));
}

void PrefixNodes::reserve(std::size_t count) {
    while (free_.size() < count)
        grow();
}

std::uint32_t PrefixNodes::take(std::uint32_t value, std::uint8_t owner) noexcept {
    const std::uint32_t node = free_.back();
    free_.pop_back();
    Entry* const entry = entries(node);
    for (std::size_t i = 0; i < entries_per_node; ++i)
        entry[i].store(value, std::memory_order_relaxed);
    shadows_[node].owner.fill(owner);
    shadows_[node].prefixes = 0;
    return node;
}

} // namespace culvert::dataplane
