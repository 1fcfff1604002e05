#include "tests/unit/crypto/sealed_packet.h"
#include "tests/unit/crypto/tls_handshake.h"

#include "crypto/key_derivation.h"

#include <openssl/err.h>
#include <tuple>

namespace culvert::crypto::test {
namespace {

using Direction = TlsHandshake::Direction;

struct Suite {
    const char* name;
    Algorithm algorithm;
};
constexpr Suite suites[] = {{"DHE-PSK-AES128-GCM-SHA256", Algorithm::aes_128_gcm},
                            {"DHE-PSK-AES256-GCM-SHA384", Algorithm::aes_256_gcm}};

/// Opens a captured Finished record; empty if it doesn't verify.
Bytes open_record(Engine& engine, Algorithm algorithm, const CapturedRecord& record,
                  const Secret<max_key_bytes>& key, const std::array<std::uint8_t, 4>& salt) {
    const auto expanded = engine.expand(algorithm, key.bytes());
    Packet packet{record.ciphertext, record.associated_data, record.tag, {}};
    std::copy_n(salt.begin(), 4, packet.nonce.begin());
    std::copy_n(record.explicit_nonce.begin(), 8, packet.nonce.begin() + 4);
    Operation operation = packet.operation(*expanded);
    return engine.open({&operation, 1}) == 1 ? packet.data : Bytes{};
}

class KeyDerivation : public testing::TestWithParam<std::tuple<Transport, int, std::string>> {
  protected:
    void SetUp() override {
        auto made = make_engine(std::get<2>(GetParam()));
        if (!made)
            GTEST_SKIP() << made.error();
        engine_ = std::move(*made);
    }
    Transport transport() const { return std::get<0>(GetParam()); }
    const Suite& suite() const { return suites[std::get<1>(GetParam())]; }
    std::unique_ptr<Engine> engine_;
};

TEST_P(KeyDerivation, OpensBothFinishedRecordsOfACapturedHandshake) {
    const TlsHandshake handshake(transport(), suite().name);
    const auto keys = derive_tls12_keys(suite().algorithm, handshake.digest(), handshake.master(),
                                        handshake.client_random(), handshake.server_random());
    ASSERT_TRUE(keys) << keys.error();

    const Bytes from_client = open_record(*engine_, suite().algorithm, handshake.finished(Direction::from_client),
                                          keys->client_key, keys->client_salt);
    const Bytes from_server = open_record(*engine_, suite().algorithm, handshake.finished(Direction::from_server),
                                          keys->server_key, keys->server_salt);
    // RFC 5246 §7.4.9: the handshake header, then verify_data, which OpenSSL tells.
    for (const auto& [opened, verify_data] :
         {std::pair(from_client, handshake.verify_data(Direction::from_client)),
          {from_server, handshake.verify_data(Direction::from_server)}}) {
        ASSERT_EQ(opened.size(), handshake.handshake_header_bytes() + verify_data.size());
        EXPECT_EQ(opened[0], 20) << "HandshakeType finished";
        EXPECT_TRUE(std::ranges::equal(std::span(opened).last(verify_data.size()), verify_data));
    }
}

TEST_P(KeyDerivation, GivesEachDirectionItsOwnKeys) {
    const TlsHandshake handshake(transport(), suite().name);
    const auto keys = derive_tls12_keys(suite().algorithm, handshake.digest(), handshake.master(),
                                        handshake.client_random(), handshake.server_random());
    ASSERT_TRUE(keys) << keys.error();
    EXPECT_TRUE(open_record(*engine_, suite().algorithm, handshake.finished(Direction::from_client),
                            keys->server_key, keys->server_salt)
                    .empty());
}

std::string parameter_label(const testing::TestParamInfo<KeyDerivation::ParamType>& info) {
    std::string label = std::get<0>(info.param) == Transport::tls ? "TLS_" : "DTLS_";
    label += suites[std::get<1>(info.param)].name;
    label += "_" + std::get<2>(info.param);
    std::ranges::replace(label, '-', '_');
    return label;
}

INSTANTIATE_TEST_SUITE_P(Handshakes, KeyDerivation,
                         testing::Combine(testing::Values(Transport::tls, Transport::dtls), testing::Values(0, 1),
                                          testing::Values("ipsec-mb", "libcrypto")),
                         parameter_label);

TEST(KeyDerivationErrors, NameWhatIsWrong) {
    const Bytes master(48, 1), random(32, 2), shorter(31, 2);
    constexpr auto algorithm = Algorithm::aes_128_gcm;
    EXPECT_TRUE(derive_tls12_keys(algorithm, "SHA256", master, random, random));
    EXPECT_FALSE(derive_tls12_keys(algorithm, "SHA256", random, random, random));
    EXPECT_FALSE(derive_tls12_keys(algorithm, "SHA256", master, shorter, random));
    EXPECT_FALSE(derive_tls12_keys(algorithm, "SHA256", master, random, shorter));
    const auto unknown = derive_tls12_keys(algorithm, "ROT13", master, random, random);
    ASSERT_FALSE(unknown);
    EXPECT_NE(unknown.error().find("ROT13"), std::string::npos) << unknown.error();
    EXPECT_EQ(ERR_peek_error(), 0U) << "the thread's next TLS call would take it for its own";
}

} // namespace
} // namespace culvert::crypto::test
