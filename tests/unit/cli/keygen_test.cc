#include "control/cli/keygen.h"

#include "control/configuration/credentials.h"
#include "tests/unit/configuration/configuration_files.h"

#include <array>
#include <cstdio>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <sys/stat.h>

namespace culvert::control {
namespace {

using test::ConfigurationFiles;

unsigned mode_of(const std::filesystem::path& file) {
    struct stat about{};
    EXPECT_EQ(stat(file.c_str(), &about), 0) << file;
    return about.st_mode & 07777;
}

std::string content_of(const std::filesystem::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// Runs a command; its standard output without the last newline.
std::string shell(const std::string& command) {
    std::FILE* pipe = popen(command.c_str(), "r");
    std::string out;
    std::array<char, 256> block{};
    while (const std::size_t length = std::fread(block.data(), 1, block.size(), pipe))
        out.append(block.data(), length);
    EXPECT_EQ(pclose(pipe), 0) << command;
    if (out.ends_with('\n'))
        out.pop_back();
    return out;
}

class Keygen : public ::testing::Test {
  protected:
    ConfigurationFiles files_;
    std::ostringstream out_, err_;
    std::string at(std::string_view name) const { return files_.path(name).string(); }
};

TEST_F(Keygen, WritesAKeyAndACertificateThatOpenSslLikes) {
    const auto generated = generate_certificate(at("lyon"));
    ASSERT_TRUE(generated);
    EXPECT_EQ(mode_of(at("lyon.key")), 0600U);
    EXPECT_EQ(mode_of(at("lyon.crt")) & 0600, 0600U);
    EXPECT_EQ(shell("openssl verify -x509_strict -trusted " + at("lyon.crt") + " " + at("lyon.crt")),
              at("lyon.crt") + ": OK");
    const std::string text = shell("openssl x509 -noout -text -in " + at("lyon.crt"));
    EXPECT_THAT(text, ::testing::HasSubstr("Subject: CN = lyon"));
    EXPECT_THAT(text, ::testing::HasSubstr("Issuer: CN = lyon"));
    EXPECT_THAT(text, ::testing::HasSubstr("ASN1 OID: prime256v1"));
    EXPECT_THAT(text, ::testing::HasSubstr("CA:FALSE"));
    EXPECT_THAT(text, ::testing::HasSubstr("Digital Signature"));
    EXPECT_THAT(text, ::testing::HasSubstr("TLS Web Server Authentication, TLS Web Client Authentication"));
    EXPECT_THAT(content_of(at("lyon.key")), ::testing::StartsWith("-----BEGIN PRIVATE KEY-----\n"));
    EXPECT_EQ(shell("openssl pkey -in " + at("lyon.key") + " -pubout"),
              shell("openssl x509 -in " + at("lyon.crt") + " -noout -pubkey"));
}

TEST_F(Keygen, PrintsThePinThatOpenSslComputes) {
    const auto generated = generate_certificate(at("lyon"));
    ASSERT_TRUE(generated);
    EXPECT_EQ(generated->pin,
              "pin-sha256:" + shell("openssl x509 -in " + at("lyon.crt") +
                                    " -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst "
                                    "-sha256 -binary | base64"));
    EXPECT_TRUE(parse_pin(generated->pin));
}

TEST_F(Keygen, IsValidForTenYears) {
    ASSERT_TRUE(generate_certificate(at("lyon")));
    const auto facts = read_certificate(at("lyon.crt"));
    ASSERT_TRUE(facts);
    const auto now = std::chrono::system_clock::now();
    EXPECT_LT(facts->not_before, now);
    EXPECT_GT(facts->not_after, now + std::chrono::days(3650));
    EXPECT_LT(facts->not_after, now + std::chrono::days(3654));
}

TEST_F(Keygen, FilesServeAConfiguration) {
    ASSERT_TRUE(generate_certificate(at("lyon")));
    EXPECT_TRUE(read_own_certificate(at("lyon.crt"), at("lyon.key")));
    ASSERT_TRUE(generate_psk(at("x.psk")));
    EXPECT_TRUE(read_psk_file(at("x.psk")));
}

TEST_F(Keygen, NeverOverwrites) {
    files_.write("lyon.crt", "mine");
    const auto generated = generate_certificate(at("lyon"));
    ASSERT_FALSE(generated);
    EXPECT_EQ(generated.error().text(), "\"" + at("lyon.crt") +
                                            "\" is there already, and nothing is overwritten; move it "
                                            "away first: mv " +
                                            at("lyon.crt") + " " + at("lyon.crt") + ".old");
    EXPECT_EQ(content_of(at("lyon.crt")), "mine");
    EXPECT_FALSE(std::filesystem::exists(at("lyon.key"))) << "nothing half done is left";
    files_.write("x.psk", "mine");
    EXPECT_FALSE(generate_psk(at("x.psk")));
    EXPECT_EQ(content_of(at("x.psk")), "mine");
}

TEST_F(Keygen, RefusesAStrangeName) {
    EXPECT_FALSE(generate_certificate(at("a b")));
    EXPECT_FALSE(generate_certificate(at("")));
    const auto nowhere = generate_certificate(at("none/lyon"));
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().text(),
              "\"" + at("none/lyon.key") +
                  "\" can't be written: No such file or directory; give a name in a folder that "
                  "you may write to");
}

TEST_F(Keygen, WritesAPreSharedKey) {
    const auto identity = generate_psk(at("x.psk"));
    ASSERT_TRUE(identity);
    EXPECT_EQ(mode_of(at("x.psk")), 0600U);
    EXPECT_EQ(std::filesystem::file_size(at("x.psk")), 45U);
    EXPECT_EQ(shell("base64 -d " + at("x.psk") + " | wc -c"), "32");
    EXPECT_EQ(*identity, psk_identity(read_psk_file(at("x.psk")).value()));
    EXPECT_EQ(*identity,
              shell("printf 'culvert psk identity' | openssl dgst -sha256 -mac HMAC -macopt hexkey:$(base64 -d " +
                    at("x.psk") + " | od -An -v -tx1 | tr -d ' \\n') -binary | head -c 16 | base64"));
    ASSERT_TRUE(generate_psk(at("y.psk")));
    EXPECT_NE(content_of(at("x.psk")), content_of(at("y.psk")));
}

TEST_F(Keygen, CommandPrintsThePinsAloneToStandardOutput) {
    EXPECT_EQ(keygen_certificates({at("lyon"), at("a b"), at("nice")}, out_, err_), 1);
    EXPECT_EQ(out_.str(), pin_text(read_certificate(at("lyon.crt"))->pin) + "\n" +
                              pin_text(read_certificate(at("nice.crt"))->pin) + "\n");
    EXPECT_THAT(err_.str(),
                ::testing::HasSubstr("wrote " + at("lyon.key") + ", which is secret, and " + at("lyon.crt")));
    EXPECT_THAT(err_.str(), ::testing::HasSubstr("\"a b\" is not a name; "));
}

TEST_F(Keygen, CommandsForKeysAndPins) {
    EXPECT_EQ(keygen_psks({at("x.psk")}, out_, err_), 0);
    EXPECT_EQ(out_.str(), psk_identity(read_psk_file(at("x.psk")).value()) + "\n");
    EXPECT_THAT(err_.str(), ::testing::Not(::testing::HasSubstr(content_of(at("x.psk")))))
        << "the key stays in its file";
    out_.str("");
    EXPECT_EQ(show_pins({at("paris.crt")}, out_, err_), 0);
    EXPECT_EQ(out_.str(), "pin-sha256:uStPe3Ke0qt2SK5HqlyC6owqus0EJH2zxXLitwok7eQ=\n");
    EXPECT_EQ(show_pins({at("paris.key")}, out_, err_), 1);
}

} // namespace
} // namespace culvert::control
