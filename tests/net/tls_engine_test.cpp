// TLS in memory: two engines that are handed each other's bytes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "asyncio/asyncio.hpp"
#include "support/alloc_failure.hpp"
#include "tls_ends.hpp"

namespace asyncio::test { namespace {

TEST(TlsEngine, TwoEndsShakeHandsAndTalk) {
    const SslContext context = client_context();
    const SslContext server = server_context(certificates().localhost);
    Ends ends(context, server);
    ends.shake_hands();
    ASSERT_TRUE(ends.done()) << text_of(ends.client.error()) << text_of(ends.server.error());
    ASSERT_EQ(ends.client.write("hello", ends.to_server), Result::done);
    EXPECT_EQ(ends.to_server.find("hello"), std::string::npos) << "it is sent as it is";
    EXPECT_EQ(ends.server_reads(), "hello");
    ASSERT_EQ(ends.server.write("and back", ends.to_client), Result::done);
    EXPECT_EQ(ends.client_reads(), "and back");
    const auto facts = ends.client.facts();
    EXPECT_EQ(facts->version, "TLSv1.3");
    EXPECT_GE(facts->cipher.secret_bits, 128);
    ASSERT_TRUE(facts->peer.has_value());
    EXPECT_EQ(facts->peer->subject, "CN=localhost");
    EXPECT_EQ(facts->peer->issuer, "CN=root");
    EXPECT_EQ(facts->peer->subject_alt_names.at(1), "IP Address:127.0.0.1");
    EXPECT_EQ(facts->peer->fingerprint().size(), 64u);
    EXPECT_EQ(ends.server.facts()->server_hostname, "localhost");
    EXPECT_FALSE(ends.server.facts()->peer.has_value());
}

TEST(TlsEngine, BytesMayComeOneByOne) {
    Ends ends(client_context(), server_context(certificates().localhost), "localhost", 1);
    ends.shake_hands();
    ASSERT_TRUE(ends.done());
    ASSERT_EQ(ends.client.write(std::string(40'000, 'x') + "end", ends.to_server), Result::done);
    std::string all;
    for (const char byte : std::exchange(ends.to_server, std::string())) {
        ends.to_server = std::string(1, byte);
        all += ends.server_reads();
    }
    EXPECT_EQ(all, std::string(40'000, 'x') + "end");
}

TEST(TlsEngine, AClosingMessageIsTheEnd) {
    Ends ends(client_context(), server_context(certificates().localhost));
    ends.shake_hands();
    ASSERT_EQ(ends.server.write("last words", ends.to_client), Result::done);
    ends.server.send_close(ends.to_client);
    Result end{};
    EXPECT_EQ(ends.client_reads(&end), "last words");
    EXPECT_EQ(end, Result::ended);
    EXPECT_TRUE(ends.client.peer_has_closed());
    EXPECT_FALSE(ends.server.peer_has_closed());
    // The other direction goes on (RFC 8446 §6.1).
    ASSERT_EQ(ends.client.write("not yet", ends.to_server), Result::done);
    ends.client.send_close(ends.to_server);
    ends.client.send_close(ends.to_server);
    EXPECT_EQ(ends.server_reads(&end), "not yet");
    EXPECT_EQ(end, Result::ended);
}

TEST(TlsEngine, OlderVersionsAreRefusedAndNewerOnesChosen) {
    SslContext old = client_context();
    old.set_maximum_version(SslVersion::TLSv1_2);
    Ends ends(old, server_context(certificates().localhost));
    ends.shake_hands();
    ASSERT_TRUE(ends.done());
    EXPECT_EQ(ends.client.facts()->version, "TLSv1.2");

    SslContext modern = server_context(certificates().localhost);
    modern.set_minimum_version(SslVersion::TLSv1_3);
    Ends refused(old, modern);
    refused.shake_hands();
    EXPECT_EQ(refused.client_result, Result::failed);
    EXPECT_NE(text_of(refused.server.error()).find("no version of TLS in common"), std::string::npos)
        << text_of(refused.server.error());
}

TEST(TlsEngine, AServerChoosesAProtocolOfItsClients) {
    SslContext client = client_context();
    SslContext server = server_context(certificates().localhost);
    client.set_alpn_protocols({"http/1.1", "h2"});
    server.set_alpn_protocols({"h2", "http/1.1"});
    Ends ends(client, server);
    ends.shake_hands();
    EXPECT_EQ(ends.client.facts()->alpn, "h2") << "the server's order counts";
    EXPECT_EQ(ends.server.facts()->alpn, "h2");

    server.set_alpn_protocols({"imap"});
    Ends none(client, server);
    none.shake_hands();
    EXPECT_TRUE(none.done());
    EXPECT_EQ(none.client.facts()->alpn, "");
}

// ---- certificates -------------------------------------------------------------------------------

TEST(TlsEngine, ACertificateThatHasExpiredIsRefused) {
    const std::string text =
        refusal(client_context(), server_context(certificates().expired), "localhost", 10);
    EXPECT_EQ(
        text,
        "TLS handshake with server:443: certificate verify failed: certificate has expired (on 2000-02-01 "
        "00:00:00 UTC)");
}

TEST(TlsEngine, ACertificateOfTheFutureIsRefused) {
    const std::string text =
        refusal(client_context(), server_context(certificates().not_yet_valid), "localhost", 9);
    EXPECT_NE(text.find("certificate is not yet valid (before 2049-01-01"), std::string::npos) << text;
}

TEST(TlsEngine, ACertificateForAnotherHostIsRefused) {
    const std::string text =
        refusal(client_context(), server_context(certificates().other_host), "localhost", 62);
    EXPECT_EQ(
        text,
        "TLS handshake with server:443: certificate verify failed: hostname mismatch, the certificate is not "
        "for 'localhost' but for other.example");
    const std::string numeric =
        refusal(client_context(), server_context(certificates().other_host), "127.0.0.1", 64);
    EXPECT_NE(numeric.find("IP address mismatch, the certificate is not for '127.0.0.1'"), std::string::npos)
        << numeric;
}

TEST(TlsEngine, ASelfSignedCertificateIsRefusedUnlessItIsTrusted) {
    const SslContext server = server_context(certificates().self_signed);
    const std::string text = refusal(client_context(), server, "localhost", 18);
    EXPECT_NE(text.find("self-signed certificate: 'CN=self_signed'; if you trust it, say so"),
              std::string::npos)
        << text;
    Ends ends(create_default_context({.cadata = certificates().self_signed.certificate_pem}), server);
    ends.shake_hands();
    EXPECT_TRUE(ends.done()) << text_of(ends.client.error());
}

TEST(TlsEngine, AMissingIntermediateCertificateIsNamed) {
    const std::string text =
        refusal(client_context(), server_context(certificates().without_intermediate), "localhost", 20);
    EXPECT_NE(text.find("'CN=intermediate' is not among those that are trusted"), std::string::npos) << text;
    Ends whole(client_context(), server_context(certificates().behind_intermediate));
    whole.shake_hands();
    EXPECT_TRUE(whole.done()) << text_of(whole.client.error());
}

TEST(TlsEngine, NamesMatchAsTheyShould) {
    const SslContext server = server_context(certificates().localhost);
    for (const char* name :
         {"localhost", "LOCALHOST", "localhost.", "127.0.0.1", "::1", "::1%lo", "a.test.example"}) {
        Ends ends(client_context(), server, name);
        ends.shake_hands();
        EXPECT_TRUE(ends.done()) << name << ": " << text_of(ends.client.error());
    }
    // An address is not asked for by name (RFC 6066 §3), one with a zone neither.
    Ends scoped(client_context(), server, "::1%lo");
    scoped.shake_hands();
    EXPECT_EQ(scoped.server.facts()->server_hostname, "");
    for (const char* name : {"test.example", "a.b.test.example", "localhost.example", "127.0.0.2"}) {
        SCOPED_TRACE(name);
        refusal(client_context(), server, name);
    }
}

TEST(TlsEngine, WithoutChecksEverythingGoes) {
    SslContext trusting = client_context();
    EXPECT_THROW(trusting.set_verify_mode(SslVerifyMode::CERT_NONE), ValueError);
    trusting.set_check_hostname(false);
    trusting.set_verify_mode(SslVerifyMode::CERT_NONE);
    for (const MadeCertificate* shown : {&certificates().expired, &certificates().self_signed}) {
        Ends ends(trusting, server_context(*shown), "whatever.example");
        ends.shake_hands();
        EXPECT_TRUE(ends.done());
    }
}

TEST(TlsEngine, AHostMustBeNamedWhereItIsChecked) {
    EXPECT_THROW(TlsEngine(client_context(), "", "x"), ValueError);
    EXPECT_THROW(TlsEngine(client_context(), ".example", "x"), ValueError);
    EXPECT_THROW(TlsEngine(client_context(), std::string_view("a\0b", 3), "x"), ValueError);
    SslContext careless = client_context();
    careless.set_check_hostname(false);
    TlsEngine fine(careless, "", "x");
}

TEST(TlsEngine, AServerMayRequireCertificatesOfItsClients) {
    SslContext server = server_context(certificates().localhost);
    server.load_verify_locations({.cafile = certificates().root.certificate});
    server.set_verify_mode(SslVerifyMode::CERT_REQUIRED);
    SslContext client = client_context();
    {
        Ends ends(client, server);
        ends.shake_hands();
        EXPECT_EQ(ends.server_result, Result::failed);
        EXPECT_NE(text_of(ends.server.error()).find("peer did not return a certificate"), std::string::npos)
            << text_of(ends.server.error());
        // In TLS 1.3 the client learns it when it reads.
        Result end{};
        ends.client_reads(&end);
        EXPECT_EQ(end, Result::failed);
        EXPECT_NE(text_of(ends.client.error()).find("the server wants a certificate of its client"),
                  std::string::npos)
            << text_of(ends.client.error());
    }
    client.load_cert_chain(certificates().client.certificate, certificates().client.key);
    Ends ends(client, server);
    ends.shake_hands();
    EXPECT_TRUE(ends.done());
    ASSERT_TRUE(ends.server.facts()->peer.has_value());
    EXPECT_EQ(ends.server.facts()->peer->subject, "CN=client");
    // A certificate that nobody vouches for.
    SslContext stranger = client_context();
    stranger.load_cert_chain(certificates().self_signed.certificate, certificates().self_signed.key);
    Ends refused(stranger, server);
    refused.shake_hands();
    EXPECT_EQ(refused.server_result, Result::failed);
    EXPECT_NE(exception_cast<SslCertVerificationError>(refused.server.error()), nullptr);
}

TEST(TlsEngine, AServerShowsTheCertificateOfTheNameThatIsAskedFor) {
    SslContext server = server_context(certificates().localhost);
    server.add_server_name("other.example", server_context(certificates().other_host));
    server.add_server_name("*.Wild.example", server_context(certificates().self_signed));
    server.add_server_name("itself.example", server);
    Ends other(client_context(), server, "OTHER.example");
    other.shake_hands();
    EXPECT_TRUE(other.done()) << text_of(other.client.error());
    EXPECT_EQ(other.client.facts()->peer->subject, "CN=other_host");
    Ends usual(client_context(), server, "localhost");
    usual.shake_hands();
    EXPECT_TRUE(usual.done());
    const std::string wild = refusal(client_context(), server, "a.wild.example");
    EXPECT_NE(wild.find("self_signed"), std::string::npos) << wild;
    EXPECT_THROW(server.add_server_name("x", client_context()), ValueError);
    EXPECT_THROW(client_context().add_server_name("x", server), ValueError);
    EXPECT_THROW(server.add_server_name("", server), ValueError);
}

TEST(TlsEngine, ContextsMayNameEachOther) {
    SslContext one = server_context(certificates().localhost);
    SslContext other = server_context(certificates().other_host);
    one.add_server_name("other.example", other);
    other.add_server_name("localhost", one);
    for (const SslContext* server : {&one, &other}) {
        for (const char* name : {"localhost", "other.example"}) {
            Ends ends(client_context(), *server, name);
            ends.shake_hands();
            EXPECT_TRUE(ends.done()) << name << ": " << text_of(ends.client.error());
        }
    }
    // What is loaded into a context later goes for its name, too.
    other.load_cert_chain(certificates().self_signed.certificate, certificates().self_signed.key);
    const std::string text = refusal(client_context(), one, "other.example");
    EXPECT_NE(text.find("self_signed"), std::string::npos) << text;
}

// The intermediate's key has 512 bits, which OpenSSL refuses when the chain is to be used.
TEST(TlsEngine, AServerGoesOnWithItsCertificateIfTheNextIsNoGood) {
    SslContext server = server_context(certificates().localhost);
    const std::string weak = certificates().folder + "/weak.pem";
    ASSERT_EQ(
        std::system(("cd " + certificates().folder +
                     " && openssl req -x509 -newkey rsa:512 -nodes -days 30 -config openssl.cnf -keyout "
                     "weak.key -out weak.pem -subj /CN=weak -extensions v3_ca >log 2>&1 </dev/null")
                        .c_str()),
        0);
    std::ifstream file(weak);
    const std::string chain((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const MadeCertificate& next = certificates().other_host;
    EXPECT_THROW(server.load_cert_chain_pem(next.certificate_pem + chain, next.key_pem), SslError);
    Ends ends(client_context(), server);
    ends.shake_hands();
    ASSERT_TRUE(ends.done()) << text_of(ends.client.error()) << text_of(ends.server.error());
    EXPECT_EQ(ends.client.facts()->peer->subject, "CN=localhost");
}

// ---- what is no TLS -----------------------------------------------------------------------------

TEST(TlsEngine, AServerThatSpeaksSomethingElseIsFoundOut) {
    TlsEngine client(client_context(), "localhost", "server:80");
    std::string out;
    std::string_view in;
    EXPECT_EQ(client.handshake(in, out), Result::needs_input);
    in = "HTTP/1.1 400 Bad Request\r\n\r\n";
    EXPECT_EQ(client.handshake(in, out), Result::failed);
    EXPECT_EQ(
        text_of(client.error()),
        "TLS handshake with server:80: wrong version number; the other side does not speak TLS: is it the "
        "right port?");
    EXPECT_EQ(client.handshake(in, out), Result::failed) << "it stays so";
}

TEST(TlsEngine, AClientThatSpeaksHttpIsFoundOut) {
    TlsEngine server(server_context(certificates().localhost), "", "client:5");
    std::string out;
    std::string_view in = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    EXPECT_EQ(server.handshake(in, out), Result::failed);
    EXPECT_NE(text_of(server.error()).find("the client speaks plain HTTP"), std::string::npos)
        << text_of(server.error());
}

TEST(TlsEngine, AServerWithoutACertificateSaysSo) {
    Ends ends(client_context(), create_default_context({.purpose = SslPurpose::CLIENT_AUTH}));
    ends.shake_hands();
    EXPECT_EQ(ends.server_result, Result::failed);
    EXPECT_NE(text_of(ends.server.error()).find("this server has no certificate: call load_cert_chain"),
              std::string::npos)
        << text_of(ends.server.error());
}

TEST(TlsEngine, ARecordThatWasTouchedIsRefused) {
    Ends ends(client_context(), server_context(certificates().localhost));
    ends.shake_hands();
    ASSERT_EQ(ends.server.write("hello", ends.to_client), Result::done);
    ends.to_client.back() ^= 1;
    Result end{};
    EXPECT_EQ(ends.client_reads(&end), "");
    EXPECT_EQ(end, Result::failed);
    EXPECT_NE(text_of(ends.client.error()).find("bad record mac"), std::string::npos)
        << text_of(ends.client.error());
    std::string out;
    EXPECT_EQ(ends.client.write("more", out), Result::failed);
    EXPECT_FALSE(ends.to_server.empty()) << "the alert";
}

TEST(TlsEngine, AnErrorOfOneConnectionIsNotTheNextOnes) {
    Ends ends(client_context(), server_context(certificates().localhost));
    ends.shake_hands();
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    EXPECT_EQ(ends.server_reads(), "");
    EXPECT_EQ(ends.client.write("fine", ends.to_server), Result::done);
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    EXPECT_EQ(ends.server_reads(), "fine");
}

// Every allocation of ours fails once, in the handshake and in the talk after it; then either everything went
// well, or the end that failed says std::bad_alloc, and nothing is lost or freed twice.
TEST(TlsEngine, MemoryMayRunOut) {
    const SslContext client = client_context();
    const SslContext server = server_context(certificates().localhost);
    bool failed = true;
    if (!AllocationFailure::works()) GTEST_SKIP();
    for (long at = 1; failed && at < 10'000; ++at) {
        failed = false;
        try {
            Ends ends(client, server);
            AllocationFailure failing(at);
            ends.shake_hands();
            if (ends.done()) {
                ends.client.write(std::string_view("0123456789", 10), ends.to_server);
                ends.server_reads();
            }
            failed = failing.happened();
            failing.stop();
            for (const TlsEngine* each : {&ends.client, &ends.server}) {
                if (each->error() == nullptr) continue;
                EXPECT_TRUE(exception_cast<std::bad_alloc>(each->error()) != nullptr ||
                            exception_cast<SslError>(each->error()) != nullptr);
            }
        } catch (const std::bad_alloc&) {
            failed = true;
        }
    }
    EXPECT_FALSE(failed);
}

}}  // namespace asyncio::test
