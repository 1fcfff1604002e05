#include "tests/unit/crypto/aead_vector.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

// Wycheproof's vectors for AES-GCM: $CULVERT_VECTORS/aes_gcm_test.json.
namespace culvert::crypto::test {
namespace {

std::filesystem::path vectors_path() {
    const char* directory = std::getenv("CULVERT_VECTORS");
    return std::filesystem::path(directory != nullptr ? directory : CULVERT_VECTORS_DEFAULT) / "aes_gcm_test.json";
}

AeadVector vector_of(const nlohmann::json& test) {
    const auto bytes = [&](const char* name) { return from_hex(test.at(name).get<std::string>()); };
    return {.label =
                "tcId " + std::to_string(test.at("tcId").get<int>()) + " " + test.at("comment").get<std::string>(),
            .key = bytes("key"),
            .nonce = bytes("iv"),
            .aad = bytes("aad"),
            .plaintext = bytes("msg"),
            .ciphertext = bytes("ct"),
            .tag = bytes("tag"),
            .valid = test.at("result") == "valid"};
}

class Wycheproof : public EngineTest {};

TEST_P(Wycheproof, AesGcm) {
    std::ifstream file(vectors_path());
    if (!file)
        GTEST_SKIP() << "no " << vectors_path() << ": set CULVERT_VECTORS to where Wycheproof's files are";
    const auto document = nlohmann::json::parse(file);
    int tested = 0, refusals = 0, left_out = 0;
    for (const auto& group : document.at("testGroups"))
        for (const auto& test : group.at("tests")) {
            const AeadVector vector = vector_of(test);
            if (!vector.supported()) {
                ++left_out;
                continue;
            }
            ++tested;
            refusals += vector.valid ? 0 : 1;
            check(*engine_, vector, true);
        }
    RecordProperty("tested", tested);
    RecordProperty("left_out", left_out);
    EXPECT_EQ(tested + left_out, document.at("numberOfTests").get<int>());
    EXPECT_GT(tested, 0);
    EXPECT_GT(refusals, 0);
}

INSTANTIATE_TEST_SUITE_P(Engines, Wycheproof, both_engines, engine_label);

} // namespace
} // namespace culvert::crypto::test
