// Records of TLS 1.3 with whatever in them, under the keys of a real connection: what an honest OpenSSL never
// sends, but a peer may.
#pragma once
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace asyncio::test {

/// Learns the secret of one side's application data from OpenSSL's key log (see SSL_CTX_set_keylog_callback).
/// The suite is TLS_AES_256_GCM_SHA384, the first choice of both sides. Records are numbered from 0: the side
/// may have sent none by itself, no ticket either.
class ForgedRecords {
  public:
    static constexpr char alert = 21;
    static constexpr char handshake = 22;
    static constexpr char application_data = 23;

    /// `line`: "SERVER_TRAFFIC_SECRET_0 <client random> <secret>".
    explicit ForgedRecords(std::string_view line) {
        const std::string_view digits = line.substr(line.rfind(' ') + 1);
        for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
            secret_ += static_cast<char>(std::strtol(std::string(digits.substr(i, 2)).c_str(), nullptr, 16));
        derive();
    }
    /// RFC 8446 §5.2.
    std::string record(char type, std::string_view content) {
        const std::size_t size = content.size() + 1 + tag_bytes;
        std::string made{23, 3, 3, static_cast<char>(size >> 8), static_cast<char>(size & 0xff)};
        const std::string inner = std::string(content) + type;
        std::string nonce = iv_;
        for (std::size_t i = 0; i < 8; ++i) nonce[4 + i] ^= static_cast<char>(number_ >> (56 - 8 * i));
        ++number_;
        std::string sealed(inner.size() + tag_bytes, '\0');
        EVP_CIPHER_CTX* const cipher = EVP_CIPHER_CTX_new();
        int count = 0;
        EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), nullptr, bytes(key_), bytes(nonce));
        EVP_EncryptUpdate(cipher, nullptr, &count, bytes(made), static_cast<int>(made.size()));
        EVP_EncryptUpdate(cipher, bytes(sealed), &count, bytes(inner), static_cast<int>(inner.size()));
        EVP_EncryptFinal_ex(cipher, bytes(sealed) + count, &count);
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, tag_bytes, bytes(sealed) + inner.size());
        EVP_CIPHER_CTX_free(cipher);
        return made + sealed;
    }
    /// What follows is under the next keys: the side has sent a key update.
    void next_keys() {
        secret_ = expand("traffic upd", hash_bytes);
        derive();
    }

  private:
    static constexpr int tag_bytes = 16;
    static constexpr std::size_t hash_bytes = 48;

    static unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
    static const unsigned char* bytes(const std::string& text) {
        return reinterpret_cast<const unsigned char*>(text.data());
    }
    /// HKDF-Expand-Label of no more than one block (RFC 8446 §7.1).
    std::string expand(std::string_view label, std::size_t size) const {
        const std::string name = "tls13 " + std::string(label);
        std::string info{0, static_cast<char>(size), static_cast<char>(name.size())};
        info += name + std::string("\0\1", 2);
        std::array<unsigned char, EVP_MAX_MD_SIZE> block{};
        unsigned count = 0;
        HMAC(EVP_sha384(), secret_.data(), static_cast<int>(secret_.size()), bytes(info), info.size(),
             block.data(), &count);
        return {reinterpret_cast<const char*>(block.data()), size};
    }
    void derive() {
        key_ = expand("key", 32);
        iv_ = expand("iv", 12);
        number_ = 0;
    }
    std::string secret_;
    std::string key_;
    std::string iv_;
    std::uint64_t number_ = 0;
};

}  // namespace asyncio::test
