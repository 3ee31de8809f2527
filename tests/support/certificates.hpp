// Certificates for the tests, made by the openssl program once for a process.
#pragma once
#include <string>

namespace asyncio::test {

/// A certificate and its key, as files and as text.
struct MadeCertificate {
    std::string certificate;  // paths
    std::string key;
    std::string certificate_pem;
    std::string key_pem;
};

/// In a folder that is removed at the end of the process.
struct Certificates {
    std::string folder;
    MadeCertificate root;                 // a CA
    MadeCertificate intermediate;         // signed by it
    MadeCertificate localhost;            // for localhost, 127.0.0.1, ::1 and *.test.example; by the root
    MadeCertificate other_host;           // for other.example; by the root
    MadeCertificate expired;              // for localhost, in the year 2000
    MadeCertificate not_yet_valid;        // for localhost, in the year 2049
    MadeCertificate behind_intermediate;  // for localhost; the file holds the intermediate's certificate, too
    MadeCertificate without_intermediate;  // the same, alone
    MadeCertificate client;                // of a client, by the root
    MadeCertificate self_signed;           // for localhost, by itself
    std::string encrypted_key;             // a path: that of localhost, its password is "secret"
};

const Certificates& certificates();

}  // namespace asyncio::test
