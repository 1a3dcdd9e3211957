#include "tests/support/tls_peer.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <csignal>
#include <cstdio>
#include <stdexcept>

namespace troupe::test {
namespace {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* what) const noexcept {
    Free(what);
  }
};
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using certificate_ptr = std::unique_ptr<X509, freed_by<X509_free>>;
using context_ptr = std::unique_ptr<SSL_CTX, freed_by<SSL_CTX_free>>;
using session_ptr = std::unique_ptr<SSL, freed_by<SSL_free>>;

void extend(X509* certificate, int what, const char* value) {
  auto* e = X509V3_EXT_conf_nid(nullptr, nullptr, what, value);
  X509_add_ext(certificate, e, -1);
  X509_EXTENSION_free(e);
}

certificate_ptr certificate_for(EVP_PKEY* key) {
  constexpr long hour = 3'600;
  certificate_ptr made{X509_new()};
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -hour);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), hour);
  auto* name = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("a test"), -1, -1, 0);
  X509_set_issuer_name(made.get(), name);
  extend(made.get(), NID_subject_alt_name, "IP:127.0.0.1");
  extend(made.get(), NID_basic_constraints, "critical,CA:TRUE");
  X509_set_pubkey(made.get(), key);
  X509_sign(made.get(), key, EVP_sha256());
  return made;
}

void write(const X509* certificate, const std::filesystem::path& to) {
  auto* f = std::fopen(to.c_str(), "w");
  if (f == nullptr)
    throw std::runtime_error("cannot write " + to.string());
  PEM_write_X509(f, certificate);
  std::fclose(f);
}

} // namespace

struct tls_peer::secrets {
  key_ptr key{EVP_EC_gen("P-256")};
  certificate_ptr certificate = certificate_for(key.get());
  context_ptr context{SSL_CTX_new(TLS_server_method())};

  secrets() {
    SSL_CTX_use_PrivateKey(context.get(), key.get());
    SSL_CTX_use_certificate(context.get(), certificate.get());
  }
};

tls_peer::tls_peer()
  : secrets_(std::make_unique<secrets>()),
    file_(std::filesystem::temp_directory_path()
          / ("troupe-tls-" + std::to_string(::getpid()) + ".pem")) {
  write(secrets_->certificate.get(), file_);
  thread_ = std::thread{[this] { serve(); }};
}

tls_peer::~tls_peer() {
  ends_ = true;
  thread_.join();
  std::filesystem::remove(file_);
}

std::string tls_peer::url() const {
  return "https://127.0.0.1:" + std::to_string(listener_.port()) + "/";
}

void tls_peer::serve() {
  constexpr int look_ms = 20;
  constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                      "Content-Length: 12\r\nConnection: close\r\n\r\n"
                                      "{\"tls\":true}";
  sigset_t pipe; // a client that does not trust us has gone by the time we answer
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  while (!ends_) {
    if (!listener_.waits(look_ms))
      continue;
    auto connection = listener_.accept();
    session_ptr tls{SSL_new(secrets_->context.get())};
    SSL_set_fd(tls.get(), connection.handle());
    char piece[4'096];
    if (SSL_accept(tls.get()) != 1 || SSL_read(tls.get(), piece, sizeof piece) <= 0)
      continue;
    SSL_write(tls.get(), answer.data(), static_cast<int>(answer.size()));
    SSL_shutdown(tls.get());
  }
}

} // namespace troupe::test
