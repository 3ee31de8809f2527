// Sessions that are resumed over TLS, and those that must not be: what an old one proves was checked by the
// rules of then.
#include "tls_ends.hpp"

namespace asyncio::test { namespace {

using detail::TlsContext;

constexpr SslVersion both_versions[] = {SslVersion::TLSv1_3, SslVersion::TLSv1_2};

SslContext client_of(SslVersion version) {
    SslContext client = client_context();
    client.set_maximum_version(version);
    return client;
}

void require_clients(SslContext& server) {
    server.load_verify_locations({.cafile = certificates().root.certificate});
    server.set_verify_mode(SslVerifyMode::CERT_REQUIRED);
}

/// A whole connection, so that the client has tickets.
void connect(const SslContext& client, const SslContext& server, std::string_view host = "localhost") {
    Ends ends(client, server, host);
    ends.shake_hands();
    ASSERT_TRUE(ends.done()) << text_of(ends.client.error()) << text_of(ends.server.error());
    ends.finish();
    ASSERT_GT(client.cached_sessions(), 0u);
}

TEST(TlsSession, AClientResumesItsSession) {
    const SslContext client = client_context();
    const SslContext server = server_context(certificates().localhost);
    for (const SslVersion version : {SslVersion::TLSv1_3, SslVersion::TLSv1_2}) {
        SslContext mine = client;
        mine.set_maximum_version(version);
        Ends first(mine, server);
        first.shake_hands();
        first.client_reads();  // tickets come after the handshake
        EXPECT_FALSE(first.client.facts()->session_reused);
        EXPECT_GT(mine.cached_sessions(), 0u);
        Ends second(mine, server);
        second.shake_hands();
        EXPECT_TRUE(second.done());
        EXPECT_TRUE(second.client.facts()->session_reused);
        EXPECT_TRUE(second.server.facts()->session_reused);
        // The certificate is known from then.
        EXPECT_TRUE(second.client.facts()->peer.has_value());
        second.client_reads();
        Ends third(mine, server);
        third.shake_hands();
        EXPECT_TRUE(third.client.facts()->session_reused);
        Ends other_name(mine, server, "127.0.0.1");
        other_name.shake_hands();
        EXPECT_FALSE(other_name.client.facts()->session_reused);
        EXPECT_TRUE(other_name.done());
    }
}

// TLS 1.2: the server has no reason to send another ticket, so the first must do.
TEST(TlsSession, ASessionOfTls12ServesMoreThanOnce) {
    SslContext client = client_context();
    client.set_maximum_version(SslVersion::TLSv1_2);
    const SslContext server = server_context(certificates().localhost);
    for (int i = 0; i < 5; ++i) {
        Ends ends(client, server);
        ends.shake_hands();
        EXPECT_TRUE(ends.done());
        EXPECT_EQ(ends.client.facts()->session_reused, i != 0) << i;
        ends.finish();
    }
}

TEST(TlsSession, AChangeOfTheRulesForgetsTheSessions) {
    SslContext client = client_context();
    client.set_check_hostname(false);
    client.set_verify_mode(SslVerifyMode::CERT_NONE);
    const SslContext server = server_context(certificates().self_signed);
    Ends first(client, server);
    first.shake_hands();
    first.client_reads();
    EXPECT_TRUE(first.done());
    EXPECT_GT(client.cached_sessions(), 0u);
    client.set_check_hostname(true);
    EXPECT_EQ(client.verify_mode(), SslVerifyMode::CERT_REQUIRED);
    EXPECT_EQ(client.cached_sessions(), 0u);
    refusal(client, server);
}

// A client of the open name shows the ticket that it got there to a name that requires a certificate. (nginx
// had that as CVE-2025-23419.)
TEST(TlsSession, ASessionOfAnOpenNameOpensNoOther) {
    for (const SslVersion version : both_versions) {
        SslContext server = server_context(certificates().localhost);
        SslContext guarded = server_context(certificates().localhost);
        require_clients(guarded);
        server.add_server_name("admin.test.example", guarded);
        const SslContext client = client_of(version);
        connect(client, server);
        auto& sessions = TlsContext::of(client).sessions;
        sessions.put("admin.test.example\nserver:443", sessions.take("localhost\nserver:443"),
                     sessions.generation());
        Ends ends(client, server, "admin.test.example");
        ends.shake_hands();
        EXPECT_EQ(ends.server_result, Result::failed);
        EXPECT_NE(text_of(ends.server.error()).find("peer did not return a certificate"), std::string::npos)
            << text_of(ends.server.error());
    }
}

TEST(TlsSession, ASessionWithACertificateIsResumedByItsName) {
    for (const SslVersion version : both_versions) {
        SslContext server = server_context(certificates().localhost);
        SslContext guarded = server_context(certificates().localhost);
        require_clients(guarded);
        server.add_server_name("admin.test.example", guarded);
        SslContext client = client_of(version);
        client.load_cert_chain(certificates().client.certificate, certificates().client.key);
        connect(client, server, "admin.test.example");
        Ends ends(client, server, "admin.test.example");
        ends.shake_hands();
        ASSERT_TRUE(ends.done());
        EXPECT_TRUE(ends.server.facts()->session_reused);
        ASSERT_TRUE(ends.server.facts()->peer.has_value());
        EXPECT_EQ(ends.server.facts()->peer->subject, "CN=client");
        EXPECT_EQ(ends.server.facts()->server_hostname, "admin.test.example");
    }
}

TEST(TlsSession, AServerThatNowRequiresCertificatesResumesNoneOfBefore) {
    for (const SslVersion version : both_versions) {
        SslContext server = server_context(certificates().localhost);
        SslContext named = server_context(certificates().localhost);
        server.add_server_name("a.test.example", named);
        const SslContext client = client_of(version);
        connect(client, server);
        connect(client, server, "a.test.example");
        require_clients(server);
        require_clients(named);
        for (const char* host : {"localhost", "a.test.example"}) {
            Ends ends(client, server, host);
            ends.shake_hands();
            EXPECT_EQ(ends.server_result, Result::failed) << host;
        }
    }
}

TEST(TlsSession, ATicketThatComesAfterAChangeOfTheRulesIsNotKept) {
    SslContext client = client_context();
    client.set_check_hostname(false);
    client.set_verify_mode(SslVerifyMode::CERT_NONE);
    const SslContext server = server_context(certificates().self_signed);
    Ends first(client, server);
    first.shake_hands();
    ASSERT_TRUE(first.done());
    client.set_check_hostname(true);
    EXPECT_FALSE(first.to_client.empty()) << "the tickets";
    first.client_reads();
    EXPECT_EQ(client.cached_sessions(), 0u);
    refusal(client, server);
}

TEST(TlsSession, AClientWithANewCertificateDoesNotGoOnAsWhoItWas) {
    for (const SslVersion version : both_versions) {
        SslContext server = server_context(certificates().localhost);
        require_clients(server);
        SslContext client = client_of(version);
        client.load_cert_chain(certificates().client.certificate, certificates().client.key);
        connect(client, server);
        client.load_cert_chain(certificates().other_host.certificate, certificates().other_host.key);
        Ends ends(client, server);
        ends.shake_hands();
        ASSERT_TRUE(ends.done()) << text_of(ends.server.error());
        EXPECT_EQ(ends.server.facts()->peer->subject, "CN=other_host");
    }
}

}}  // namespace asyncio::test
