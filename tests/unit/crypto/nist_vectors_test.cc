#include "tests/unit/crypto/aead_vector.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

// NIST's CAVP vectors for GCM, as Debian's python3-cryptography-vectors installs them.
namespace culvert::crypto::test {
namespace {

const std::filesystem::path directory = "/usr/lib/python3/dist-packages/cryptography_vectors/ciphers/AES/GCM";
/// Of each file's 7875: 96-bit nonces with 128-bit tags, 5 data lengths by 5 AAD lengths by 15.
constexpr int supported_per_file = 375;
constexpr int all_per_file = 7875;

using Fields = std::map<std::string, std::string>;

/// A record is a run of "Name = value" lines that starts with Count and ends at an empty line; "FAIL" stands
/// alone. Headers in brackets repeat what the values' lengths say.
void for_each_record(std::istream& file, const std::function<void(const Fields&)>& visit) {
    Fields fields;
    const auto flush = [&] {
        if (fields.contains("Count"))
            visit(fields);
        fields.clear();
    };
    for (std::string line; std::getline(file, line);) {
        if (line.ends_with('\r'))
            line.pop_back();
        if (line.empty())
            flush();
        else if (const auto equals = line.find(" ="); line.front() != '[' && equals != std::string::npos)
            fields[line.substr(0, equals)] = line.substr(std::min(line.size(), equals + 3));
        else
            fields.try_emplace(line);
    }
    flush();
}

AeadVector vector_of(const Fields& fields) {
    const auto bytes = [&](const char* name) {
        const auto field = fields.find(name);
        return field == fields.end() ? Bytes{} : from_hex(field->second);
    };
    return {.label = "Count " + fields.at("Count") + ", Key " + fields.at("Key"),
            .key = bytes("Key"),
            .nonce = bytes("IV"),
            .aad = bytes("AAD"),
            .plaintext = bytes("PT"),
            .ciphertext = bytes("CT"),
            .tag = bytes("Tag"),
            .valid = !fields.contains("FAIL")};
}

class NistVectors : public EngineTest {
  protected:
    void run(const std::string& name, bool sealing) {
        std::ifstream file(directory / name);
        if (!file)
            GTEST_SKIP() << "no " << directory / name << ": apt-get install python3-cryptography-vectors";
        int tested = 0, refusals = 0, left_out = 0;
        for_each_record(file, [&](const Fields& fields) {
            const AeadVector vector = vector_of(fields);
            if (!vector.supported()) {
                ++left_out;
                return;
            }
            ++tested;
            refusals += vector.valid ? 0 : 1;
            check(*engine_, vector, sealing);
        });
        RecordProperty("tested", tested);
        RecordProperty("left_out", left_out);
        EXPECT_EQ(tested, supported_per_file);
        EXPECT_EQ(tested + left_out, all_per_file);
        EXPECT_EQ(refusals > 0, !sealing) << "only the files for opening hold forgeries";
    }
};

TEST_P(NistVectors, Seal128) {
    run("gcmEncryptExtIV128.rsp", true);
}
TEST_P(NistVectors, Seal256) {
    run("gcmEncryptExtIV256.rsp", true);
}
TEST_P(NistVectors, Open128) {
    run("gcmDecrypt128.rsp", false);
}
TEST_P(NistVectors, Open256) {
    run("gcmDecrypt256.rsp", false);
}

INSTANTIATE_TEST_SUITE_P(Engines, NistVectors, both_engines, engine_label);

} // namespace
} // namespace culvert::crypto::test
