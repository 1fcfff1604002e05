#include "tests/unit/crypto/sealed_packet.h"

#include "crypto/secret.h"

#include <cstdint>
#include <malloc.h>
#include <new>

namespace culvert::crypto::test {
namespace {

/// A copy of memory in which an object was: the compiler may otherwise hold that nobody looks at a dead one.
Bytes as_it_lies(const void* memory, std::size_t size) {
    const auto* bytes = static_cast<const volatile std::uint8_t*>(memory);
    return Bytes(bytes, bytes + size);
}

template <std::size_t Capacity>
Bytes storage_after_destruction(std::span<const std::uint8_t> from) {
    alignas(Secret<Capacity>) std::uint8_t storage[sizeof(Secret<Capacity>)];
    auto* secret = new (storage) Secret<Capacity>(from);
    EXPECT_TRUE(std::ranges::equal(secret->bytes(), from));
    secret->~Secret();
    return as_it_lies(storage, sizeof(storage));
}

TEST(Secrets, AreWipedWhenTheyGo) {
    const Bytes key(32, 0xa5);
    const Bytes left = storage_after_destruction<32>(key);
    EXPECT_EQ(std::ranges::count(left, 0xa5), 0);
}

TEST(Secrets, LeaveNothingOfTheLongerOneTheyReplace) {
    Secret<32> secret(Bytes(32, 0xa5));
    secret = Secret<32>(Bytes(16, 0x5a));
    EXPECT_EQ(secret.bytes().size(), 16U);
    EXPECT_EQ(std::ranges::count(as_it_lies(&secret, sizeof(secret)), 0xa5), 0);
}

TEST(Secrets, SayWhenTheyAreEmpty) {
    EXPECT_TRUE(Secret<32>().empty());
    EXPECT_FALSE(Secret<32>(Bytes(1, 0)).empty());
}

// The first round keys of AES are the key itself, so a schedule that stays would show it. OpenSSL wipes its own.
TEST(ExpandedKeys, AreWipedWhenTheyGo) {
    auto engine = make_engine("ipsec-mb");
    if (!engine)
        GTEST_SKIP() << engine.error();
    Bytes secret(max_key_bytes);
    for (std::size_t i = 0; i < secret.size(); ++i)
        secret[i] = static_cast<std::uint8_t>(0xc0 + i);
    const auto first_round_key = std::span(secret).first(16);

    Key* key = (*engine)->expand(Algorithm::aes_256_gcm, secret).release();
    const std::size_t size = malloc_usable_size(key);
    const Bytes before = as_it_lies(key, size);
    key->~Key(); // without freeing, which would hand the memory back to the allocator
    const Bytes after = as_it_lies(key, size);
    ::operator delete(key, std::align_val_t(64));
    EXPECT_FALSE(std::ranges::search(before, first_round_key).empty()) << "the test looks for the wrong thing";
    EXPECT_TRUE(std::ranges::search(after, first_round_key).empty());
}

} // namespace
} // namespace culvert::crypto::test
