// Certificates made by the openssl program. (`openssl ca` is the only way of OpenSSL 3.0 to say from when to
// when one is valid.)
#include "support/certificates.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace asyncio::test {

namespace {

constexpr const char* configuration = R"(
[ca]
default_ca = ours
[ours]
dir = .
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
copy_extensions = none
[any]
commonName = supplied
[v3_ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[v3_localhost]
subjectAltName = DNS:localhost,IP:127.0.0.1,IP:::1,DNS:*.test.example
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[v3_other]
subjectAltName = DNS:other.example
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[v3_client]
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
)";

class Maker {
  public:
    Maker() {
        char name[] = "/tmp/asyncio_certificates_XXXXXX";
        if (::mkdtemp(name) == nullptr) throw std::runtime_error("no folder for certificates");
        made.folder = name;
        write("openssl.cnf", configuration);
        write("index.txt", "");
        write("serial", "1000\n");
        make_all();
    }
    ~Maker() {
        std::error_code ignored;
        std::filesystem::remove_all(made.folder, ignored);
    }
    Certificates made;

  private:
    std::string path(const std::string& name) const { return made.folder + "/" + name; }
    void write(const std::string& name, const std::string& text) const { std::ofstream(path(name)) << text; }
    std::string read(const std::string& file) const {
        std::stringstream text;
        text << std::ifstream(file).rdbuf();
        return text.str();
    }
    void openssl(const std::string& arguments) const {
        const std::string command =
            "cd " + made.folder + " && openssl " + arguments + " >log 2>&1 </dev/null";
        if (std::system(command.c_str()) != 0)
            throw std::runtime_error("openssl " + arguments + ":\n" + read(path("log")));
    }
    void read_pems(MadeCertificate& one, const std::string& name) const {
        one.certificate = path(name + ".pem");
        one.key = path(name + ".key");
        one.certificate_pem = read(one.certificate);
        one.key_pem = read(one.key);
    }
    MadeCertificate self_signed(const std::string& name, const std::string& section) const {
        openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -config openssl.cnf "
            "-keyout " +
            name + ".key -out " + name + ".pem -subj '/CN=" + name + "' -extensions " + section);
        MadeCertificate one;
        read_pems(one, name);
        return one;
    }
    MadeCertificate sign(const std::string& name, const std::string& section, const std::string& issuer,
                         const std::string& dates = "-days 30") const {
        openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config openssl.cnf -keyout " + name +
                ".key -out " + name + ".csr -subj '/CN=" + name + "'");
        openssl("ca -batch -notext -config openssl.cnf -cert " + issuer + ".pem -keyfile " + issuer +
                ".key -in " + name + ".csr -out " + name + ".pem -extensions " + section + " " + dates);
        MadeCertificate one;
        read_pems(one, name);
        return one;
    }
    void make_all() {
        write("openssl.cnf", std::string(configuration) +
                                 "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\nCN = unused\n");
        made.root = self_signed("root", "v3_ca");
        made.intermediate = sign("intermediate", "v3_ca", "root");
        made.localhost = sign("localhost", "v3_localhost", "root");
        made.other_host = sign("other_host", "v3_other", "root");
        made.expired =
            sign("expired", "v3_localhost", "root", "-startdate 20000101000000Z -enddate 20000201000000Z");
        made.not_yet_valid = sign("not_yet_valid", "v3_localhost", "root",
                                  "-startdate 20490101000000Z -enddate 20490201000000Z");
        made.without_intermediate = sign("behind", "v3_localhost", "intermediate");
        made.behind_intermediate = made.without_intermediate;
        made.behind_intermediate.certificate_pem += made.intermediate.certificate_pem;
        made.behind_intermediate.certificate = path("behind_chain.pem");
        write("behind_chain.pem", made.behind_intermediate.certificate_pem);
        made.client = sign("client", "v3_client", "root");
        made.self_signed = self_signed("self_signed", "v3_localhost");
        openssl("ec -in localhost.key -aes256 -passout pass:secret -out encrypted.key");
        made.encrypted_key = path("encrypted.key");
    }
};

}  // namespace

const Certificates& certificates() {
    static const Maker maker;
    return maker.made;
}

}  // namespace asyncio::test
