// SslContext: files, settings, and what is wrong with them.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "asyncio/asyncio.hpp"
#include "support/certificates.hpp"

namespace asyncio::test { namespace {

template <class E, class F>
std::string text_thrown(F&& function) {
    try {
        function();
    } catch (const E& error) {
        return error.what();
    }
    ADD_FAILURE() << "nothing of that kind was thrown";
    return "";
}

std::string file_with(const std::string& name, const std::string& text) {
    const std::string path = certificates().folder + "/" + name;
    std::ofstream(path) << text;
    return path;
}

SslContext for_servers() { return create_default_context({.purpose = SslPurpose::CLIENT_AUTH}); }

TEST(SslContext, TheDefaultsAreSound) {
    const SslContext client = create_default_context();
    EXPECT_EQ(client.purpose(), SslPurpose::SERVER_AUTH);
    EXPECT_TRUE(client.check_hostname());
    EXPECT_EQ(client.verify_mode(), SslVerifyMode::CERT_REQUIRED);
    EXPECT_EQ(client.minimum_version(), SslVersion::TLSv1_2);
    EXPECT_EQ(client.maximum_version(), SslVersion::TLSv1_3);
    const SslContext server = for_servers();
    EXPECT_FALSE(server.check_hostname());
    EXPECT_EQ(server.verify_mode(), SslVerifyMode::CERT_NONE);
}

TEST(SslContext, CopiesAreTheSameContext) {
    SslContext context = create_default_context();
    const SslContext copy = context;
    context.set_minimum_version(SslVersion::TLSv1_3);
    EXPECT_EQ(copy.minimum_version(), SslVersion::TLSv1_3);
}

TEST(SslContext, CertificatesAndKeysComeFromFilesOrText) {
    const Certificates& made = certificates();
    SslContext context = for_servers();
    context.load_cert_chain(made.localhost.certificate, made.localhost.key);
    context.load_cert_chain(made.behind_intermediate.certificate, made.behind_intermediate.key);
    context.load_cert_chain_pem(made.localhost.certificate_pem, made.localhost.key_pem);
    const std::string both = file_with("both.pem", made.localhost.key_pem + made.localhost.certificate_pem);
    context.load_cert_chain(both);
    context.load_cert_chain(made.localhost.certificate, made.encrypted_key, {.password = "secret"});
    context.load_verify_locations({.cafile = made.root.certificate, .capath = made.folder});
}

TEST(SslContext, FilesThatCannotBeUsedAreNamed) {
    const Certificates& made = certificates();
    SslContext context = for_servers();
    EXPECT_EQ(text_thrown<FileNotFoundError>([&] { context.load_cert_chain("/nowhere.pem"); }),
              "load_cert_chain '/nowhere.pem': No such file or directory [Errno 2]");
    EXPECT_EQ(text_thrown<FileNotFoundError>(
                  [&] { context.load_cert_chain(made.localhost.certificate, "/nowhere.key"); }),
              "load_cert_chain '/nowhere.key': No such file or directory [Errno 2]");
    EXPECT_EQ(text_thrown<IsADirectoryError>([&] { context.load_cert_chain("/tmp"); }),
              "load_cert_chain '/tmp': Is a directory [Errno 21]");
    EXPECT_EQ(text_thrown<FileNotFoundError>([&] { create_default_context({.cafile = "/nowhere.pem"}); }),
              "load_verify_locations '/nowhere.pem': No such file or directory [Errno 2]");

    const std::string empty = file_with("empty.pem", "");
    const std::string torn = file_with("torn.pem", made.localhost.certificate_pem.substr(0, 300));
    EXPECT_NE(text_thrown<SslError>([&] {
                  context.load_cert_chain(empty);
              }).find("empty.pem': no certificate in it"),
              std::string::npos);
    EXPECT_NE(text_thrown<SslError>([&] { context.load_cert_chain(torn); }).find("torn.pem': "),
              std::string::npos);
    EXPECT_NE(text_thrown<SslError>([&] {
                  context.load_cert_chain(made.localhost.certificate);
              }).find("no private key in it"),
              std::string::npos);
    EXPECT_NE(text_thrown<SslError>([&] {
                  create_default_context({.cadata = "nonsense"});
              }).find("cadata: no certificate in it"),
              std::string::npos);
    EXPECT_NE(text_thrown<SslError>([&] {
                  context.load_cert_chain(made.localhost.certificate, made.other_host.key);
              }).find("this is not the key of the certificate"),
              std::string::npos);
    EXPECT_THROW(context.load_verify_locations({}), ValueError);
}

TEST(SslContext, AnEncryptedKeyNeedsItsPassword) {
    const Certificates& made = certificates();
    SslContext context = for_servers();
    EXPECT_NE(text_thrown<SslError>([&] {
                  context.load_cert_chain(made.localhost.certificate, made.encrypted_key);
              }).find("the key is encrypted: give {.password"),
              std::string::npos);
    EXPECT_NE(text_thrown<SslError>([&] {
                  context.load_cert_chain(made.localhost.certificate, made.encrypted_key,
                                          {.password = "wrong"});
              }).find("the password of the key is wrong"),
              std::string::npos);
    const std::string long_password(5'000, 'x');
    EXPECT_THROW(
        context.load_cert_chain(made.localhost.certificate, made.encrypted_key, {.password = long_password}),
        SslError);
}

TEST(SslContext, AnEncryptedCertificateIsRefusedAndNobodyIsAsked) {
    const std::string begin = "-----BEGIN CERTIFICATE-----\n";
    std::string pem = certificates().localhost.certificate_pem;
    pem.replace(pem.find(begin), begin.size(),
                begin + "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n");
    SslContext context = for_servers();
    EXPECT_NE(text_thrown<SslError>([&] {
                  context.load_cert_chain_pem(pem, certificates().localhost.key_pem);
              }).find("the certificate is encrypted"),
              std::string::npos);
}

TEST(SslContext, AFolderThatIsNotThereIsAnError) {
    SslContext context = for_servers();
    EXPECT_EQ(text_thrown<FileNotFoundError>([&] { context.load_verify_locations({.capath = "/nowhere"}); }),
              "load_verify_locations '/nowhere': No such file or directory [Errno 2]");
    EXPECT_THROW(create_default_context({.capath = certificates().root.certificate}), NotADirectoryError);
}

TEST(SslContext, ContextsThatNameEachOtherGoAllTheSame) {
    std::weak_ptr<detail::TlsProvider> first;
    {
        SslContext a = for_servers();
        SslContext b = for_servers();
        a.add_server_name("b.example", b);
        b.add_server_name("a.example", a);
        a.add_server_name("itself.example", a);
        first = a.state();
    }
    EXPECT_TRUE(first.expired());
}

TEST(SslContext, SettingsThatMakeNoSenseAreRefused) {
    SslContext context = create_default_context();
    EXPECT_THROW(context.set_alpn_protocols({""}), ValueError);
    const std::string long_name(256, 'x');
    EXPECT_THROW(context.set_alpn_protocols({long_name}), ValueError);
    EXPECT_NE(text_thrown<SslError>([&] {
                  context.set_ciphers("NO-SUCH");
              }).find("set_ciphers 'NO-SUCH': no cipher match"),
              std::string::npos);
    context.set_ciphers("ECDHE+AESGCM");
}

TEST(SslContext, ASelfSignedCertificateCanBeMade) {
    const SelfSignedCertificate made = make_self_signed_certificate({"localhost", "127.0.0.1", "::1"});
    SslContext server = for_servers();
    server.load_cert_chain_pem(made.certificate, made.key);
    create_default_context({.cadata = made.certificate});
    EXPECT_THROW(make_self_signed_certificate({}), ValueError);
    EXPECT_THROW(make_self_signed_certificate({""}), ValueError);
    EXPECT_THROW(make_self_signed_certificate({"a,DNS:b"}), ValueError);
}

TEST(SslContext, AnSslErrorIsAnOSError) {
    try {
        throw SslCertVerificationError(10, "certificate has expired", "text");
    } catch (const OSError& error) {
        EXPECT_EQ(error.code().category(), ssl_category());
        EXPECT_EQ(error.code().value(), 10);
        EXPECT_STREQ(error.what(), "text");
        EXPECT_FALSE(error.code().message().empty());
    }
    EXPECT_THROW(throw SslEofError("x"), SslError);
}

}}  // namespace asyncio::test
