#include "runtime/core/digest.hpp"

#include <openssl/evp.h>

#include <memory>
#include <new>
#include <stdexcept>

namespace troupe {

namespace {

// Looking the algorithm up and making a context cost more than hashing 100 bytes.
class hasher {
public:
  hasher() : context_(EVP_MD_CTX_new()) {
    if (!context_)
      throw std::bad_alloc{};
  }

  digest operator()(std::string_view text) {
    static const EVP_MD* const algorithm = fetch();
    digest out;
    unsigned int size = 0;
    if (EVP_DigestInit_ex(context_.get(), algorithm, nullptr) != 1
        || EVP_DigestUpdate(context_.get(), text.data(), text.size()) != 1
        || EVP_DigestFinal_ex(context_.get(), out.bytes.data(), &size) != 1)
      throw std::runtime_error("SHA-256 failed in libcrypto");
    return out;
  }

private:
  // Never freed: threads may hash until the process ends.
  static const EVP_MD* fetch() {
    auto* algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    if (algorithm == nullptr)
      throw std::runtime_error("libcrypto has no SHA-256");
    return algorithm;
  }

  struct deleter {
    void operator()(EVP_MD_CTX* c) const noexcept { EVP_MD_CTX_free(c); }
  };

  std::unique_ptr<EVP_MD_CTX, deleter> context_;
};

int nibble(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

} // namespace

digest sha256(std::string_view text) {
  thread_local hasher hash;
  return hash(text);
}

std::string to_hex(const digest& d) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * d.bytes.size());
  for (auto b : d.bytes) {
    out += digits[b >> 4U];
    out += digits[b & 0xFU];
  }
  return out;
}

std::optional<digest> digest_from_hex(std::string_view hex) noexcept {
  digest out;
  if (hex.size() != 2 * out.bytes.size())
    return std::nullopt;
  for (std::size_t i = 0; i < out.bytes.size(); ++i) {
    auto high = nibble(hex[2 * i]);
    auto low = nibble(hex[2 * i + 1]);
    if (high < 0 || low < 0)
      return std::nullopt;
    out.bytes[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return out;
}

std::uint64_t short_hash(std::string_view text) {
  auto d = sha256(text);
  std::uint64_t out = 0;
  for (std::size_t i = 8; i > 0; --i)
    out = out << 8U | d.bytes[i - 1];
  return out;
}

} // namespace troupe
