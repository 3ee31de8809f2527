// asyncio-httpbin: a local server to try HTTP clients on.
#include <sys/resource.h>
#include <CLI/CLI.hpp>
#include <asyncio/asyncio.hpp>
#include <asyncio/http/web.hpp>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

#include "httpbin_app/httpbin_app.hpp"
#include "standard_streams/standard_streams.hpp"

namespace {

namespace web = asyncio::http::web;

/// Nobody loses anything here if a request is cut off.
constexpr std::chrono::seconds shutdown_timeout(2);

/// A thousand clients need a thousand descriptors.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

void print_url(const web::Site& site) {
    std::printf("asyncio-httpbin listens on %s (Ctrl-C ends it)\n", site.url().c_str());
    std::fflush(stdout);
}

void print_url_alone(const web::Site& site) {
    std::printf("%s\n", site.url().c_str());
    std::fflush(stdout);
}

/// With a certificate of its own making if none is named: clients believe it with --insecure, or curl -k.
asyncio::SslContext tls_context(const std::string& host, const std::string& certificate,
                                const std::string& key) {
    auto context = asyncio::create_default_context({.purpose = asyncio::SslPurpose::CLIENT_AUTH});
    context.set_alpn_protocols({"http/1.1"});
    if (!certificate.empty()) {
        context.load_cert_chain(certificate, key);
        return context;
    }
    const auto made = asyncio::make_self_signed_certificate({"localhost", "127.0.0.1", "::1", host});
    context.load_cert_chain_pem(made.certificate, made.key);
    return context;
}

}  // namespace

int main(int argc, char** argv) {
    fill_closed_standard_streams();
    CLI::App cli(
        "A server to try HTTP clients on; GET / lists its routes.\n"
        "Ctrl-C or SIGTERM stops it; requests that are being answered have 2 seconds to end. The second "
        "Ctrl-C "
        "ends it at once.",
        "asyncio-httpbin");
    std::string host = "127.0.0.1";
    std::uint16_t port = 8080;
    bool quiet = false;
    cli.add_option("--host", host, "the address to listen on")->capture_default_str();
    cli.add_option("--port", port, "the port; 0: a free one")->capture_default_str();
    bool tls = false;
    std::string certificate;
    std::string key;
    cli.add_flag("--tls", tls, "speak https; without --cert the certificate is made for the occasion");
    cli.add_option("--cert", certificate, "a PEM file of the certificate, and of those up to the root")
        ->type_name("FILE")
        ->needs("--tls");
    cli.add_option("--key", key, "a PEM file of its key, if that is not in the same file")
        ->type_name("FILE")
        ->needs("--cert");
    cli.add_flag("--quiet", quiet, "print nothing but the URL");
    cli.set_version_flag("--version", "asyncio-httpbin " ASYNCIO_VERSION_STRING);
    try {
        cli.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return cli.exit(error) == 0 ? 0 : 2;
    }
    raise_descriptor_limit();
    try {
        std::optional<asyncio::SslContext> context;
        if (tls) context = tls_context(host, certificate, key);
        web::run_app(make_httpbin(), {.host = host,
                                      .port = port,
                                      .shutdown_timeout = shutdown_timeout,
                                      .ssl = context ? asyncio::SslOption(*context) : asyncio::SslOption(),
                                      .on_started = quiet ? &print_url_alone : &print_url});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "asyncio-httpbin: %s\n", error.what());
        return 1;
    }
    return 0;
}
