#pragma once

#include "dataplane/address.h"
#include "dataplane/dataplane.h"
#include "dataplane/waker.h"

#include <cstdint>
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <string>

namespace culvert::dataplane {

/// What a worker puts into a ring towards control. `packet`, when there, is freed by whoever reads the record.
struct NoticeRecord {
    rte_mbuf* packet; ///< frame: the plaintext; handshake: the UDP payload behind its headers
    std::uint32_t session;
    std::uint32_t value;
    Endpoint remote;
    Notice::Kind kind;
    std::uint8_t worker;
    std::uint8_t content_type;
};
static_assert(sizeof(NoticeRecord) <= 64);

/// Many workers to one control thread.
class NoticeRing {
  public:
    NoticeRing(const std::string& name, unsigned size);
    ~NoticeRing(); ///< frees packets still inside
    NoticeRing(const NoticeRing&) = delete;
    NoticeRing& operator=(const NoticeRing&) = delete;

    bool enqueue(const NoticeRecord& record) noexcept {
        Element element{record};
        const bool taken = rte_ring_enqueue_elem(ring_, &element, sizeof element) == 0;
        waker_.notify();
        return taken;
    }
    bool dequeue(NoticeRecord& record) noexcept {
        Element element;
        if (rte_ring_dequeue_elem(ring_, &element, sizeof element) != 0)
            return false;
        record = element.record;
        return true;
    }
    bool empty() const noexcept { return rte_ring_empty(ring_) != 0; }
    std::uint32_t count() const noexcept { return rte_ring_count(ring_); }
    Waker& waker() noexcept { return waker_; }

  private:
    union Element {
        NoticeRecord record;
        std::uint8_t bytes[64];
        Element() : bytes{} {}
        explicit Element(const NoticeRecord& from) : bytes{} { record = from; }
    };
    static_assert(sizeof(Element) == 64);
    rte_ring* ring_;
    Waker waker_;
};

} // namespace culvert::dataplane
