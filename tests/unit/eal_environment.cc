#include "tests/unit/eal_environment.h"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mempool.h>
#include <stdexcept>
#include <string>

namespace culvert::testing {
namespace {

constexpr unsigned pool_size = 1023;
rte_mempool* pool = nullptr;

class EalEnvironment : public ::testing::Environment {
  public:
    void SetUp() override {
        std::array<std::string, 8> arguments{"unit-test", "--no-huge",      "-m",           "256", "--no-shconf",
                                             "--no-pci",  "--no-telemetry", "--log-level=4"};
        std::array<char*, arguments.size() + 1> argv{};
        for (std::size_t i = 0; i < arguments.size(); ++i)
            argv[i] = arguments[i].data();
        if (rte_eal_init(static_cast<int>(arguments.size()), argv.data()) < 0)
            throw std::runtime_error(std::string("EAL: ") + rte_strerror(rte_errno));
        pool = rte_pktmbuf_pool_create("test_pool", pool_size, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
        if (pool == nullptr)
            throw std::runtime_error(std::string("mbuf pool: ") + rte_strerror(rte_errno));
    }

    void TearDown() override {
        EXPECT_EQ(rte_mempool_avail_count(pool), pool_size) << "a test has kept packets";
        rte_mempool_free(pool);
        rte_eal_cleanup();
    }
};

[[maybe_unused]] const auto* const environment = ::testing::AddGlobalTestEnvironment(new EalEnvironment);

} // namespace

rte_mempool* test_pool() {
    return pool;
}

Mbuf mbuf_of(const Bytes& bytes) {
    Mbuf packet(rte_pktmbuf_alloc(pool));
    char* to = packet ? rte_pktmbuf_append(packet.get(), static_cast<std::uint16_t>(bytes.size())) : nullptr;
    if (to == nullptr)
        throw std::length_error("no mbuf for " + std::to_string(bytes.size()) + " bytes");
    std::copy(bytes.begin(), bytes.end(), to); // none may be there: memcpy() wants a pointer even then
    return packet;
}

Bytes bytes_of(const rte_mbuf* packet) {
    Bytes bytes;
    for (; packet != nullptr; packet = packet->next) {
        const auto* data = rte_pktmbuf_mtod(packet, const std::uint8_t*);
        bytes.insert(bytes.end(), data, data + rte_pktmbuf_data_len(packet));
    }
    return bytes;
}

} // namespace culvert::testing
