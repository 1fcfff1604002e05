#include "dataplane/prefix_table.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <rte_rcu_qsbr.h>
#include <thread>
#include <vector>

using namespace culvert::dataplane;

namespace {

void at_once(const std::function<void()>& free) {
    free();
} // for tests whose reader is the writer

Prefix prefix(const char* text) {
    return *Prefix::parse(text);
}

std::uint32_t lookup(const PrefixTable& table, const IpAddress& address) {
    return address.is_v4() ? table.lookup_v4(address.as_v4()) : table.lookup_v6(address.bytes.data());
}
std::uint32_t lookup(const PrefixTable& table, const char* address) {
    return lookup(table, *IpAddress::parse(address));
}

TEST(PrefixTable, TheLongestPrefixWins) {
    PrefixTable table(at_once);
    table.insert(prefix("0.0.0.0/0"), 1);
    table.insert(prefix("10.0.0.0/8"), 2);
    table.insert(prefix("10.9.0.0/16"), 3);
    table.insert(prefix("10.9.8.0/21"), 4);
    table.insert(prefix("10.9.8.7/32"), 5);
    EXPECT_EQ(lookup(table, "192.0.2.1"), 1U);
    EXPECT_EQ(lookup(table, "10.8.0.1"), 2U);
    EXPECT_EQ(lookup(table, "10.9.0.1"), 3U);
    EXPECT_EQ(lookup(table, "10.9.15.255"), 4U);
    EXPECT_EQ(lookup(table, "10.9.8.7"), 5U);
    EXPECT_EQ(lookup(table, "10.9.8.8"), 4U);
    EXPECT_EQ(lookup(table, "::a09:807"), 0U) << "families are apart";
    EXPECT_EQ(table.size(), 5U);
}

TEST(PrefixTable, OrderOfInsertionDoesNotMatter) {
    PrefixTable table(at_once);
    table.insert(prefix("2001:db8::1/128"), 5);
    table.insert(prefix("2001:db8::/48"), 3);
    table.insert(prefix("2001:db8::/32"), 2);
    table.insert(prefix("::/0"), 1);
    EXPECT_EQ(lookup(table, "2001:db8::1"), 5U);
    EXPECT_EQ(lookup(table, "2001:db8::2"), 3U);
    EXPECT_EQ(lookup(table, "2001:db8:1::1"), 2U);
    EXPECT_EQ(lookup(table, "2001:db9::1"), 1U);
    EXPECT_EQ(lookup(table, "10.0.0.1"), 0U) << "families are apart";
}

TEST(PrefixTable, RemovalBringsTheCoveringPrefixBack) {
    PrefixTable table(at_once);
    table.insert(prefix("10.0.0.0/8"), 2);
    table.insert(prefix("10.9.8.0/24"), 3);
    table.insert(prefix("10.9.8.7/32"), 4);
    EXPECT_TRUE(table.remove(prefix("10.9.8.0/24")));
    EXPECT_EQ(lookup(table, "10.9.8.7"), 4U);
    EXPECT_EQ(lookup(table, "10.9.8.8"), 2U);
    EXPECT_TRUE(table.remove(prefix("10.0.0.0/8")));
    EXPECT_EQ(lookup(table, "10.9.8.7"), 4U);
    EXPECT_EQ(lookup(table, "10.9.8.8"), 0U);
    EXPECT_FALSE(table.remove(prefix("10.0.0.0/8")));
    EXPECT_EQ(table.size(), 1U);
}

TEST(PrefixTable, ExactFindAndChangedValues) {
    PrefixTable table(at_once);
    EXPECT_TRUE(table.insert(prefix("10.9.0.0/16"), 3));
    EXPECT_FALSE(table.insert(prefix("10.9.0.0/16"), 7));
    EXPECT_EQ(table.find(prefix("10.9.0.0/16")), 7U);
    EXPECT_EQ(table.find(prefix("10.9.0.0/17")), std::nullopt);
    EXPECT_EQ(table.find(prefix("10.0.0.0/8")), std::nullopt);
    EXPECT_EQ(lookup(table, "10.9.255.255"), 7U);
    EXPECT_EQ(table.size(), 1U);
}

TEST(PrefixTable, RefusesValuesItCannotKeep) {
    PrefixTable table(at_once);
    EXPECT_THROW(table.insert(prefix("10.0.0.0/8"), 0), std::invalid_argument);
    EXPECT_THROW(table.insert(prefix("10.0.0.0/8"), 0x80000000), std::invalid_argument);
    EXPECT_THROW(table.insert({IpAddress::v4(0U), 33}, 1), std::invalid_argument);
    EXPECT_TRUE(table.insert(prefix("10.0.0.0/8"), 0x7fffffff));
    EXPECT_EQ(lookup(table, "10.1.2.3"), 0x7fffffffU);
}

TEST(PrefixTable, NodesGoBackWithTheirLastPrefixAndNotBeforeTheirReaders) {
    std::vector<std::function<void()>> waiting;
    PrefixTable table([&](std::function<void()> free) { waiting.push_back(std::move(free)); });
    table.insert(prefix("::/0"), 1);
    EXPECT_EQ(table.nodes(), 0U);
    table.insert(prefix("2001:db8::1/128"), 2);
    EXPECT_EQ(table.nodes(), 14U);
    table.insert(prefix("2001:db8::/64"), 3);
    table.remove(prefix("2001:db8::1/128"));
    EXPECT_EQ(lookup(table, "2001:db8::1"), 3U);
    EXPECT_EQ(table.nodes(), 14U) << "readers may still be there";
    for (auto& free : waiting)
        free();
    EXPECT_EQ(table.nodes(), 6U);
    waiting.clear();
    table.remove(prefix("2001:db8::/64"));
    for (auto& free : waiting)
        free();
    EXPECT_EQ(table.nodes(), 0U);
    EXPECT_EQ(lookup(table, "2001:db8::1"), 1U);
}

TEST(PrefixTable, DeferredFunctionsOutliveTheTable) {
    std::function<void()> waiting;
    {
        PrefixTable table([&](std::function<void()> free) { waiting = std::move(free); });
        table.insert(prefix("10.9.8.7/32"), 1);
        table.remove(prefix("10.9.8.7/32"));
    }
    ASSERT_TRUE(waiting);
    waiting();
}

/// Longest match by looking at every prefix.
class Model {
  public:
    std::uint32_t lookup(const IpAddress& address) const {
        std::uint32_t value = 0;
        int longest = -1;
        for (const auto& [candidate, its_value] : prefixes)
            if (candidate.length > longest && candidate.contains(address)) {
                longest = candidate.length;
                value = its_value;
            }
        return value;
    }
    std::map<Prefix, std::uint32_t> prefixes;
};

/// Addresses and prefixes from a small world, so that they nest and touch.
class World {
  public:
    World(bool v4, std::uint64_t seed) : v4_(v4), random_(seed) {}

    IpAddress address() {
        IpAddress made = v4_ ? IpAddress::v4(0x0a000000U) : *IpAddress::parse("2001:db8::");
        for (std::size_t byte = v4_ ? 13 : 2; byte < 16; ++byte) {
            constexpr std::uint8_t few[]{0x00, 0x00, 0x00, 0x01, 0x7f, 0x80, 0xff};
            made.bytes[byte] = random_() % 8 == 0 ? static_cast<std::uint8_t>(random_()) : few[random_() % 7];
        }
        return made;
    }
    Prefix network() {
        const unsigned bits = v4_ ? 32 : 128;
        return Prefix{address(), static_cast<std::uint8_t>(random_() % (bits + 1))}.network();
    }
    std::uint64_t dice(std::uint64_t sides) { return random_() % sides; }

  private:
    bool v4_;
    std::mt19937_64 random_;
};

/// All that could have gone wrong: random addresses, and the edges of every prefix.
void expect_agreement(const PrefixTable& table, const Model& model, World& world) {
    std::vector<IpAddress> addresses(50);
    std::ranges::generate(addresses, [&] { return world.address(); });
    for (const auto& [candidate, value] : model.prefixes) {
        addresses.push_back(candidate.address);
        IpAddress last = candidate.address;
        for (unsigned bit = candidate.length + (candidate.is_v4() ? 96U : 0U); bit < 128; ++bit)
            last.bytes[bit / 8] |= static_cast<std::uint8_t>(0x80U >> bit % 8);
        addresses.push_back(last);
    }
    for (const IpAddress& address : addresses)
        ASSERT_EQ(lookup(table, address), model.lookup(address)) << address.text();
}

void run_against_model(bool v4, std::uint64_t seed) {
    World world(v4, seed);
    PrefixTable table(at_once);
    Model model;
    for (int step = 0; step < 400; ++step) {
        const bool growing = model.prefixes.size() < 60 && world.dice(10) < 6;
        Prefix chosen = world.network();
        if (!growing && !model.prefixes.empty())
            chosen =
                std::next(model.prefixes.begin(), static_cast<long>(world.dice(model.prefixes.size())))->first;
        if (growing || world.dice(5) == 0) {
            const auto value = static_cast<std::uint32_t>(world.dice(1000000) + 1);
            EXPECT_EQ(table.insert(chosen, value), !model.prefixes.contains(chosen));
            model.prefixes[chosen] = value;
        } else {
            EXPECT_EQ(table.remove(chosen), model.prefixes.erase(chosen) == 1) << chosen.text();
        }
        ASSERT_EQ(table.size(), model.prefixes.size());
        if (step % 8 != 0)
            continue;
        ASSERT_NO_FATAL_FAILURE(expect_agreement(table, model, world)) << "step " << step << " seed " << seed;
    }
    while (!model.prefixes.empty()) {
        table.remove(model.prefixes.begin()->first);
        model.prefixes.erase(model.prefixes.begin());
        ASSERT_NO_FATAL_FAILURE(expect_agreement(table, model, world));
    }
    EXPECT_EQ(table.nodes(), 0U);
}

TEST(PrefixTable, AgreesWithALinearScanIpv4) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed)
        ASSERT_NO_FATAL_FAILURE(run_against_model(true, seed));
}

TEST(PrefixTable, AgreesWithALinearScanIpv6) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed)
        ASSERT_NO_FATAL_FAILURE(run_against_model(false, seed));
}

TEST(PrefixTable, BurstsEqualSingleLookups) {
    for (const bool v4 : {true, false}) {
        World world(v4, 99);
        PrefixTable table(at_once);
        for (std::uint32_t i = 1; i < 500; ++i)
            table.insert(world.network(), i);
        for (std::size_t length : {0U, 1U, 31U, 32U, 64U, 257U}) {
            std::vector<IpAddress> addresses(length);
            std::vector<std::uint32_t> fours, values(length, 77);
            std::vector<const std::uint8_t*> sixes;
            std::ranges::generate(addresses, [&] { return world.address(); });
            for (const IpAddress& address : addresses) {
                fours.push_back(address.as_v4());
                sixes.push_back(address.bytes.data());
            }
            if (v4)
                table.lookup_v4(fours, values);
            else
                table.lookup_v6(sixes, values);
            for (std::size_t i = 0; i < length; ++i)
                ASSERT_EQ(values[i], lookup(table, addresses[i])) << addresses[i].text();
        }
    }
}

/// DPDK's RCU as the workers use it, with one reader.
class Rcu {
  public:
    Rcu() : memory_(rte_rcu_qsbr_get_memsize(1) / sizeof(Line) + 1) {
        rte_rcu_qsbr_init(variable(), 1);
        rte_rcu_qsbr_thread_register(variable(), 0);
        rte_rcu_qsbr_thread_online(variable(), 0);
    }
    void quiescent() { rte_rcu_qsbr_quiescent(variable(), 0); }
    void leave() { rte_rcu_qsbr_thread_offline(variable(), 0); }
    void synchronize() { rte_rcu_qsbr_synchronize(variable(), RTE_QSBR_THRID_INVALID); }

  private:
    struct alignas(64) Line {
        std::byte bytes[64];
    };
    rte_rcu_qsbr* variable() { return reinterpret_cast<rte_rcu_qsbr*>(memory_.data()); }
    std::vector<Line> memory_;
};

TEST(PrefixTable, AReaderNeverSeesAStablePrefixGo) {
    Rcu rcu;
    std::vector<std::function<void()>> waiting;
    PrefixTable table([&](std::function<void()> free) { waiting.push_back(std::move(free)); });
    table.insert(prefix("10.9.0.0/17"), 42);
    table.insert(prefix("2001:db8::/33"), 43);
    // Long bursts, so that there is time for nodes to go and come again between one pass and the next.
    const std::vector<std::uint32_t> fours(256, 0x0a090203); // 10.9.2.3
    const IpAddress six = *IpAddress::parse("2001:db8::7f01:8001");
    const std::vector<const std::uint8_t*> sixes(256, six.bytes.data());

    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> rounds{0};
    std::jthread reader([&] {
        std::vector<std::uint32_t> values(256);
        const auto all = [&](std::uint32_t value) { return std::ranges::count(values, value) == 256; };
        while (!done.load()) {
            table.lookup_v4(fours, values);
            EXPECT_TRUE(all(42));
            table.lookup_v6(sixes, values);
            EXPECT_TRUE(all(43));
            rcu.quiescent();
            rounds.fetch_add(1, std::memory_order_relaxed);
        }
        rcu.leave();
    });
    // Shorter ones that cover the stable addresses, and longer ones all around them.
    std::vector<Prefix> churn;
    for (const char* text : {"8.0.0.0/5", "10.0.0.0/8", "10.9.0.0/16", "10.9.2.2/32", "10.9.2.4/30", "10.9.3.0/24",
                             "10.200.1.1/32", "10.9.127.0/25", "2001:d00::/24", "2001:db8::/32",
                             "2001:db8::7f01:8000/128", "2001:db8::8000/113", "fd00::1/128"})
        churn.push_back(prefix(text));
    std::mt19937 random(7);
    for (int step = 0; step < 3000 || rounds.load() < 20000; ++step) {
        const Prefix& chosen = churn[random() % churn.size()];
        if (table.find(chosen))
            table.remove(chosen);
        else
            table.insert(chosen, static_cast<std::uint32_t>(random() % 1000 + 100));
        if (waiting.size() > 20) {
            rcu.synchronize();
            for (auto& free : waiting)
                free();
            waiting.clear();
        }
    }
    done = true;
    reader.join();
    EXPECT_EQ(table.lookup_v4(fours[0]), 42U);
}

} // namespace
