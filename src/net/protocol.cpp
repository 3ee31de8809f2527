#include "asyncio/net/protocol.hpp"

#include "asyncio/net/transport.hpp"

namespace asyncio { inline namespace v1 {

BaseProtocol::~BaseProtocol() = default;
void BaseProtocol::connection_made(Transport) {}
void BaseProtocol::connection_lost(std::exception_ptr) {}
void BaseProtocol::pause_writing() {}
void BaseProtocol::resume_writing() {}
void Protocol::data_received(std::string_view) {}
bool Protocol::eof_received() { return false; }
bool BufferedProtocol::eof_received() { return false; }

}}  // namespace asyncio::v1
