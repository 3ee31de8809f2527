// Making a request: what is sent, and the way to the head of the response.
#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "asyncio/http/errors.hpp"
#include "asyncio/proto/errors.hpp"
#include "asyncio/proto/http1_writer.hpp"
#include "http/exchange.hpp"
#include "http/session_state.hpp"

namespace asyncio { inline namespace v1 { namespace http { namespace detail {

// ---- what is sent -------------------------------------------------------------------------------

namespace {

std::string base64(std::string_view bytes) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::size_t left = bytes.size() - at;
        std::uint32_t group = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            group = group << 8 | (i < left ? static_cast<unsigned char>(bytes[at + i]) : 0u);
        }
        for (std::size_t i = 0; i < 4; ++i) {
            out += i <= left ? digits[group >> (18 - 6 * i) & 63] : '=';
        }
    }
    return out;
}

bool contains(const PairsView& fields, std::string_view name) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
        if (proto::equals_ignore_case(fields[i].name, name)) return true;
    }
    return false;
}

/// RFC 9110 §9.2.2: what a client may repeat without knowing whether it was done.
bool is_idempotent(std::string_view method) {
    return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE" ||
           method == "PUT" || method == "DELETE";
}

/// RFC 9110 §8.6: a user agent should send a Content-Length of 0 "when the method defines a meaning for
/// enclosed content".
bool announces_empty_body(std::string_view method) {
    return method == "POST" || method == "PUT" || method == "PATCH";
}

/// Longer ones are not asked for again and again, and are not to be kept.
constexpr std::size_t kept_url_max = 1024;

Url parsed(SessionState& session, std::string_view text) {
    if (text.empty() || text.size() > kept_url_max) return Url(text);
    if (session.last_text != text) {
        session.last_text.clear();  // in case that what follows throws
        session.last_url = Url(text);
        session.last_text = text;
    }
    return session.last_url;
}

std::shared_ptr<asyncio::detail::TlsProvider> rules_for(const Exchange& x, const SslOption& ssl) {
    if (ssl.given()) return context_of(ssl);
    if (x.session->tls == nullptr) x.session->tls = context_of(true);
    return x.session->tls;
}

void set_url(Exchange& x, const UrlArgument& url, const PairsView& params) {
    x.url = url.url() != nullptr ? *url.url() : parsed(*x.session, url.text());
    for (std::size_t i = 0; i < params.size(); ++i) {
        x.url = x.url.with_query_added(params[i].name, params[i].value);
    }
    const std::string_view scheme = x.url.scheme();
    if (scheme != "http" && scheme != "https") {
        throw InvalidURL(x.url.str(), "the scheme is '" + std::string(scheme) +
                                          "', and only http and https are spoken here");
    }
}

/// Whether it is a request without fields of its own, as most are: its session's were checked and written
/// once.
bool is_usual(const Exchange& x, const RequestBody& body, const PairsView& headers) {
    return x.idempotent && !announces_empty_body(x.method) && body.data().empty() &&
           body.content_type().empty() && headers.empty() && !x.url.has_credentials() &&
           !x.session->usual_fields.empty();
}

void write_usual_wire(Exchange& x) {
    const std::string_view target = x.url.target();
    const std::string_view host = x.url.authority();
    const std::string_view fields = x.session->usual_fields;
    constexpr std::size_t words_max = 32;
    x.wire.reserve(x.method.size() + target.size() + host.size() + fields.size() + words_max);
    x.wire.append(x.method).append(" ").append(target);
    x.wire.append(" HTTP/1.1\r\nHost: ").append(host).append("\r\n");
    x.wire.append(fields).append("\r\n");
}

void write_wire(Exchange& x, const RequestBody& body, const PairsView& headers) {
    if (x.method == "CONNECT")
        throw ValueError("the method CONNECT is for proxies, which this client has none of");
    for (const char* framing : {"Content-Length", "Transfer-Encoding"}) {
        if (contains(headers, framing)) {
            throw ValueError(std::string("leave ") + framing + " out: the client frames the body itself");
        }
    }
    const Headers& session_headers = x.session->headers;
    const std::string length = std::to_string(body.data().size());
    std::string authorization;
    std::vector<HeaderView> fields;
    fields.reserve(session_headers.size() + headers.size() + 4);
    const auto add_default = [&](std::string_view name, std::string_view value) {
        if (!contains(headers, name) && !session_headers.contains(name)) fields.push_back({name, value});
    };
    add_default("Host", x.url.authority());
    for (const HeaderView field : session_headers) {
        if (!contains(headers, field.name)) fields.push_back(field);
    }
    for (std::size_t i = 0; i < headers.size(); ++i) fields.push_back(headers[i]);
    if (x.url.has_credentials()) {
        authorization = "Basic " + base64(x.url.user() + ':' + x.url.password());
        add_default("Authorization", authorization);
    }
    if (!body.content_type().empty()) add_default("Content-Type", body.content_type());
    if (!body.data().empty() || announces_empty_body(x.method)) fields.push_back({"Content-Length", length});
    // RFC 9112 §3.2: a server has to refuse a second one, and two servers on the way may each believe
    // another.
    const auto is_host = [](const HeaderView& field) {
        return proto::equals_ignore_case(field.name, "Host");
    };
    if (std::count_if(fields.begin(), fields.end(), is_host) > 1)
        throw ValueError("more than one Host header: a request is for one host");
    for (const HeaderView& field : fields) {
        if (proto::equals_ignore_case(field.name, "Connection") &&
            proto::list_contains(field.value, "close")) {
            x.may_keep = false;
        }
    }
    x.wire.reserve(256 + body.data().size());
    proto::write_request_head(x.wire, x.method, x.url.target(), fields);
    x.wire += body.data();
}

}  // namespace

std::shared_ptr<asyncio::detail::TlsProvider> context_of(const SslOption& ssl) {
    if (ssl.context() != nullptr) return ssl.context()->state();
    if (ssl || !ssl.given()) {
        static const SslContext usual = [] {
            SslContext made = create_default_context();
            made.set_alpn_protocols({"http/1.1"});
            return made;
        }();
        return usual.state();
    }
    static const SslContext without_checks = [] {
        SslContext made = create_default_context();
        made.set_check_hostname(false);
        made.set_verify_mode(SslVerifyMode::CERT_NONE);
        made.set_alpn_protocols({"http/1.1"});
        return made;
    }();
    return without_checks.state();
}

void prepare(Exchange& x, std::string_view method, const UrlArgument& url, const RequestBody& body,
             const RequestOptions& options) {
    x.method = method;
    x.idempotent = is_idempotent(method);
    x.raise_for_status = options.raise_for_status.value_or(x.session->raise_for_status);
    x.timeout = options.timeout.is_from_session() ? x.session->timeout : options.timeout;
    for (Duration* value :
         {&x.timeout.total, &x.timeout.connect, &x.timeout.sock_connect, &x.timeout.sock_read}) {
        if (*value <= Duration::zero()) *value = Duration::none();
    }
    try {
        set_url(x, url, options.params);
        if (x.url.scheme() == "https") x.tls = rules_for(x, options.ssl);
        if (is_usual(x, body, options.headers)) {
            write_usual_wire(x);
        } else {
            write_wire(x, body, options.headers);
        }
    } catch (const proto::InvalidURL& e) {
        if (dynamic_cast<const ClientError*>(&e) != nullptr) {
            x.refusal = std::current_exception();
        } else {
            x.refusal = std::make_exception_ptr(InvalidURL(e));
        }
    } catch (const proto::LocalProtocolError& e) {
        x.refusal = std::make_exception_ptr(ValueError(x.subject() + ": " + e.what()));
    } catch (const ClientError&) {
        x.refusal = std::current_exception();
    } catch (const ValueError&) {
        x.refusal = std::current_exception();
    }
}

// ---- the way to the head of the response --------------------------------------------------------

namespace {

/// Nobody waits for a server's goodbye here: what it had to say has come.
Coro<Streams> connect(const Exchange& x, std::string_view host) {
    if (x.tls == nullptr) return open_connection(host, x.url.port());
    const SslContext context(x.tls);
    return open_connection(host, x.url.port(), {.ssl = context, .ssl_shutdown_timeout = Duration::zero()});
}

/// Opens a connection. If this process has no descriptor left, an idle connection makes room for it.
Coro<> open(Exchange& x) {
    x.enter(Phase::connecting);
    x.session->connector.make_room();
    const std::string host(x.url.host());
    for (;;) {
        std::exception_ptr error;
        try {
            Streams streams = co_await connect(x, host);
            x.connection = std::make_unique<Connection>(std::move(streams), x.session->limits);
            co_return;
        } catch (const OSError& e) {
            if (e.code() != std::errc::too_many_files_open &&
                e.code() != std::errc::too_many_files_open_in_system) {
                throw;
            }
            error = std::current_exception();
        }
        std::unique_ptr<Connection> idle = x.session->connector.take_any_idle();
        if (idle == nullptr) std::rethrow_exception(error);
        idle->writer.abort();
        co_await wait_closed(idle->writer);
    }
}

Coro<> wait_for_slot(Exchange& x, Origin& origin) {
    SlotWaiter waiter(x.session->connector, origin);
    co_await waiter.granted;
    x.slot = waiter.take();
}

Coro<> send_and_receive_head(Exchange& x) {
    x.enter(Phase::waiting_for_response);
    x.connection->parser.reset(x.method);
    // Not awaited: a server may answer before it has taken a long body, and the answer may be that it will
    // not.
    x.connection->writer.write(x.wire);
    while (!x.head_complete) co_await x.receive();
    x.require_session();
}

/// Whether the request may be sent again: its connection had been kept from before, and died as one does that
/// the server had closed already.
bool may_retry(const Exchange& x, const std::exception_ptr& error) {
    return x.idempotent && !x.answered &&
           (exception_cast<ServerDisconnectedError>(error) != nullptr ||
            exception_cast<ConnectionError>(error) != nullptr ||
            exception_cast<SslEofError>(error) != nullptr);
}

Coro<> obtain_response(Exchange& x) {
    Connector& connector = x.session->connector;
    const OriginRef origin(connector, x.url.authority(), x.tls);
    x.slot = connector.try_slot(*origin);
    if (!x.slot) co_await wait_for_slot(x, *origin);

    x.connection = connector.take_idle(*origin);
    if (x.connection != nullptr) {
        std::exception_ptr error;
        try {
            co_await send_and_receive_head(x);
            co_return;
        } catch (...) {
            error = std::current_exception();
        }
        if (!may_retry(x, error)) std::rethrow_exception(error);
        x.connection.reset();
    }
    co_await open(x);
    co_await send_and_receive_head(x);
}

}  // namespace

Coro<ClientResponse> perform(ExchangeRef exchange) {
    Exchange& x = *exchange;
    if (x.refusal != nullptr) std::rethrow_exception(x.refusal);
    if (x.session->closed) throw SessionClosedError(x.subject() + ": the session is closed");

    const TimePoint now = get_running_loop().time();
    if (x.timeout.total.has_value()) x.total_at = now + x.timeout.total;
    if (x.timeout.connect.has_value()) x.connect_at = now + x.timeout.connect;
    x.begin(Phase::waiting_for_connection);
    x.session->in_flight.push_back(x);
    std::exception_ptr error;
    try {
        co_await obtain_response(x);
    } catch (...) {
        error = std::current_exception();
    }
    x.in_flight.unlink();
    x.end(error);
    x.keep_subject();
    ClientResponse response(std::move(exchange));
    if (x.raise_for_status) response.raise_for_status();
    co_return response;
}

}}}}  // namespace asyncio::v1::http::detail
