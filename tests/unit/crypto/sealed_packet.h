#pragma once

#include "crypto/aead.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace culvert::crypto::test {

using Bytes = std::vector<std::uint8_t>;

/// A packet that owns all the memory an Operation points to.
struct Packet {
    Bytes data, aad;
    std::array<std::uint8_t, tag_bytes> tag{};
    std::array<std::uint8_t, nonce_bytes> nonce{};

    Operation operation(const Key& key) {
        return Operation{.data = data.data(),
                         .aad = aad.data(),
                         .tag = tag.data(),
                         .key = &key,
                         .length = static_cast<std::uint32_t>(data.size()),
                         .aad_length = static_cast<std::uint16_t>(aad.size()),
                         .verified = false,
                         .nonce = nonce};
    }
    bool operator==(const Packet&) const = default;
};

/// The engine of that name; the test ends where this machine can't run it.
class EngineTest : public testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        auto made = make_engine(GetParam());
        if (!made)
            GTEST_SKIP() << made.error();
        engine_ = std::move(*made);
    }
    std::unique_ptr<Engine> engine_;
};

inline const auto both_engines = testing::Values("ipsec-mb", "libcrypto");
inline std::string engine_label(const testing::TestParamInfo<std::string>& info) {
    std::string label = info.param;
    std::ranges::replace(label, '-', '_');
    return label;
}

} // namespace culvert::crypto::test
