#include "control/configuration/credentials.h"

#include "tests/unit/configuration/configuration_files.h"

#include <gtest/gtest.h>

namespace culvert::control {
namespace {

using test::ConfigurationFiles;

TEST(Credentials, ReadsAPinAndWritesItBack) {
    const auto pin = parse_pin(test::pin);
    ASSERT_TRUE(pin);
    EXPECT_EQ(pin->at(0), 0x9f); // SHA-256 of "test"
    EXPECT_EQ(pin->at(31), 0x08);
    EXPECT_EQ(pin_text(*pin), test::pin);
}

TEST(Credentials, TakesNothingButACanonicalPin) {
    const std::string pin(test::pin);
    EXPECT_FALSE(parse_pin(""));
    EXPECT_FALSE(parse_pin("pin-sha256:"));
    EXPECT_FALSE(parse_pin(pin.substr(11)));
    EXPECT_FALSE(parse_pin(pin + "\n"));
    EXPECT_FALSE(parse_pin(pin.substr(0, pin.size() - 2) + "h=")) << "bits behind the last byte";
    EXPECT_FALSE(parse_pin("pin-sha256:" + std::string(43, ' ') + "="));
    EXPECT_FALSE(parse_pin("pin-sha256:" + std::string(44, 'A'))) << "33 bytes";
    EXPECT_FALSE(parse_pin("pin-sha256:" + std::string(42, 'A') + "==")) << "31 bytes";
    EXPECT_FALSE(parse_pin("sha256//" + pin.substr(11)));
}

TEST(Credentials, NamesAKeyWithoutTellingIt) {
    const auto key = parse_psk("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    ASSERT_TRUE(key);
    ASSERT_EQ(key->bytes().size(), 32U);
    EXPECT_EQ(key->bytes()[31], 31);
    // printf 'culvert psk identity' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102… -binary | head -c16 |
    // base64
    EXPECT_EQ(psk_identity(*key), "AXybxD9d40kgXAoVwVG6tg==");
}

TEST(Credentials, TakesNothingButOneLineOf32Bytes) {
    EXPECT_FALSE(parse_psk(""));
    EXPECT_FALSE(parse_psk("AAECAwQFBgcICQoLDA0ODw=="));
    EXPECT_FALSE(parse_psk("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n"));
    EXPECT_FALSE(parse_psk(std::string(44, 'A')));
}

TEST(Credentials, ReadsACertificatesFacts) {
    const ConfigurationFiles files;
    const auto facts = read_certificate(files.path("paris.crt"));
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->common_name, "paris");
    // openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64
    EXPECT_EQ(pin_text(facts->pin), "pin-sha256:uStPe3Ke0qt2SK5HqlyC6owqus0EJH2zxXLitwok7eQ=");
    EXPECT_EQ(facts->not_after - facts->not_before, std::chrono::days(36500));
}

TEST(Credentials, RefusesAKeyThatBelongsToAnotherCertificate) {
    const ConfigurationFiles files;
    files.write("other.key", R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgbCStU/rPuPkEB6Eu
eM+SR8PcqukqhyJxM3a5qwj+dSahRANCAASSFCa6yBH+3+OMx6a1jz6AmV8s4EdT
jSjAvwh8WAKYjP9q1WpycLD6OwOtrGH44al0HTtwLQRcpYJOhQ1Kwgs0
-----END PRIVATE KEY-----
)");
    EXPECT_TRUE(read_own_certificate(files.path("paris.crt"), files.path("paris.key")));
    const auto own = read_own_certificate(files.path("paris.crt"), files.path("other.key"));
    ASSERT_FALSE(own);
    EXPECT_EQ(own.error().text(), "\"" + files.path("other.key").string() + "\" is not the key of \"" +
                                      files.path("paris.crt").string() +
                                      "\"; give the two files that \"culvertctl keygen NAME\" wrote together");
}

TEST(Credentials, RefusesALockedKeyInsteadOfAsking) {
    const ConfigurationFiles files;
    files.write("locked.key", R"(-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhUNG1/IDp+mgICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEDy8kEns7a/EyYE/vu8JidMEgZBe
ick4GB8C4oc1S6tnyo9bhdML2KRBDxdDT2pKK9QMx5sAp0SxCQTau5OUDM/RXbFs
S7tJRJ0ZSk6DSQAoVTWVOIEU9KuiUHn4A+WjT80yfxgBpYdzttnJciIx8vZ5UJE7
TquC4+CV7awmJzcSsA3NmXYhuwM+5umPHQAn3RBY+hKsgQ89WX7IkhagCoGtj54=
-----END ENCRYPTED PRIVATE KEY-----
)");
    const auto own = read_own_certificate(files.path("paris.crt"), files.path("locked.key"));
    ASSERT_FALSE(own);
    const std::string path = files.path("locked.key").string();
    EXPECT_EQ(own.error().text(), "\"" + path +
                                      "\" is locked by a passphrase, and nobody is there to give it; unlock "
                                      "it once: openssl pkey -in " +
                                      path + " -out UNLOCKED.key");
}

TEST(Credentials, GroupMayReadASecretButNotEverybody) {
    const ConfigurationFiles files;
    files.write("key", "x", 0640);
    EXPECT_FALSE(secret_file_problem(files.path("key")));
    files.write("it's", "x", 0641);
    const auto problem = secret_file_problem(files.path("it's"));
    ASSERT_TRUE(problem);
    EXPECT_EQ(problem->advice, "chmod o= '" + files.folder().string() + "/it'\\''s'");
    EXPECT_TRUE(secret_file_problem(files.folder()));
}

} // namespace
} // namespace culvert::control
