#include "asyncio/net/address.hpp"

#include <gtest/gtest.h>

#include "asyncio/base/error.hpp"

namespace asyncio { namespace {

TEST(Address, IsParsedAndPrinted) {
    const auto four = Address::parse("127.0.0.1", 80);
    ASSERT_TRUE(four);
    EXPECT_EQ(four->family(), AddressFamily::ipv4);
    EXPECT_EQ(four->host(), "127.0.0.1");
    EXPECT_EQ(four->port(), 80);
    EXPECT_EQ(four->to_string(), "127.0.0.1:80");

    const auto six = Address::parse("::1", 443);
    ASSERT_TRUE(six);
    EXPECT_EQ(six->family(), AddressFamily::ipv6);
    EXPECT_EQ(six->to_string(), "[::1]:443");
    EXPECT_EQ(six->scope_id(), 0u);
}

TEST(Address, NamesAndNonsenseAreNotNumeric) {
    for (const char* text :
         {"", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4x", ":::", "::1%",
          "fe80::1%no-such-interface", "[::1]", "127.0.0.1 ", " 127.0.0.1", "12345::", "1:2"}) {
        EXPECT_FALSE(Address::parse(text, 1)) << text;
    }
    EXPECT_FALSE(Address::parse(std::string_view("127.0.0.1\0evil", 14), 1));
}

TEST(Address, KeepsTheScopeOfALinkLocalAddress) {
    const auto by_number = Address::parse("fe80::1%1", 9);
    ASSERT_TRUE(by_number);
    EXPECT_EQ(by_number->scope_id(), 1u);
    const auto by_name = Address::parse("fe80::1%lo", 9);
    ASSERT_TRUE(by_name);
    EXPECT_EQ(by_name->to_string(), "[fe80::1%lo]:9");
    EXPECT_EQ(*by_name, Address::parse(by_name->host(), 9));
    EXPECT_EQ(by_name->with_port(10).scope_id(), by_name->scope_id());
}

TEST(Address, ComparesAsAValue) {
    EXPECT_EQ(*Address::parse("10.0.0.1", 5), *Address::parse("10.0.0.1", 5));
    EXPECT_NE(*Address::parse("10.0.0.1", 5), *Address::parse("10.0.0.1", 6));
    EXPECT_NE(*Address::parse("10.0.0.1", 5), *Address::parse("10.0.0.2", 5));
    EXPECT_EQ(Address::parse("10.0.0.1", 5)->with_port(6), *Address::parse("10.0.0.1", 6));
    EXPECT_EQ(Address::loopback(AddressFamily::ipv6, 7), *Address::parse("::1", 7));
    EXPECT_EQ(Address::any_host(AddressFamily::ipv4, 7), *Address::parse("0.0.0.0", 7));
}

TEST(Address, OfAUnixSocketHasAPath) {
    const Address named = Address::unix_path("/tmp/x.sock");
    EXPECT_EQ(named.family(), AddressFamily::unix_domain);
    EXPECT_EQ(named.path(), "/tmp/x.sock");
    EXPECT_EQ(named.to_string(), "/tmp/x.sock");
    EXPECT_EQ(named.port(), 0);
    const Address abstract = Address::unix_path(std::string_view("\0x", 2));
    EXPECT_EQ(abstract.to_string(), "@x");
    EXPECT_EQ(abstract.path(), std::string_view("\0x", 2));
    EXPECT_THROW(Address::unix_path(""), ValueError);
    EXPECT_THROW(Address::unix_path(std::string(108, 'x')), ValueError);
    EXPECT_THROW(Address::unix_path(std::string_view("a\0b", 3)), ValueError);
    EXPECT_EQ(Address::unix_path(std::string(107, 'x')).path().size(), 107u);
}

TEST(Address, OfNothingIsEmpty) {
    const Address none;
    EXPECT_TRUE(none.empty());
    EXPECT_EQ(none.family(), AddressFamily::any);
    EXPECT_EQ(none.to_string(), "(no address)");
    const char wrong[200] = {};
    EXPECT_TRUE(Address(wrong, 1).empty());
    EXPECT_TRUE(Address(wrong, 16).empty());
    EXPECT_TRUE(Address(wrong, 200).empty());
}

}}  // namespace asyncio
