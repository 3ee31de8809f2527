// The key functions of the exceptions: one copy of each type's information, here.
#include "asyncio/http/errors.hpp"

namespace asyncio { inline namespace v1 { namespace http {

ClientError::~ClientError() = default;
ClientResponseError::~ClientResponseError() = default;
ClientPayloadError::~ClientPayloadError() = default;
InvalidURL::~InvalidURL() = default;
ClientConnectionError::~ClientConnectionError() = default;
SessionClosedError::~SessionClosedError() = default;
ResponseClosedError::~ResponseClosedError() = default;
ClientOSError::~ClientOSError() = default;
ClientConnectorError::~ClientConnectorError() = default;
ClientConnectorDNSError::~ClientConnectorDNSError() = default;
ClientSSLError::~ClientSSLError() = default;
ClientConnectorSSLError::~ClientConnectorSSLError() = default;
ClientConnectorCertificateError::~ClientConnectorCertificateError() = default;
ServerConnectionError::~ServerConnectionError() = default;
ServerDisconnectedError::~ServerDisconnectedError() = default;
ServerTimeoutError::~ServerTimeoutError() = default;
ConnectionTimeoutError::~ConnectionTimeoutError() = default;
SocketTimeoutError::~SocketTimeoutError() = default;

}}}  // namespace asyncio::v1::http
