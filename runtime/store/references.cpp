#include "runtime/store/references.hpp"

#include <cstring>
#include <variant>

namespace troupe::store {
namespace {

struct collector {
  std::vector<digest>& out;

  void take(const journal::payload& p) const {
    if (p.stored)
      out.push_back(p.hash);
  }
  void operator()(const journal::started& e) const { take(e.input); }
  void operator()(const journal::command& e) const { take(e.detail); }
  void operator()(const journal::completion& e) const { take(e.value); }
  void operator()(const journal::local& e) const { take(e.value); }
  void operator()(const journal::note& e) const { take(e.detail); }
  void operator()(const journal::signalled& e) const { take(e.value); }
  void operator()(const journal::generation_began& e) const { take(e.state); }
  void operator()(const journal::resolved& e) const { take(e.value); }
  void operator()(const journal::state_loaded& e) const { take(e.state); }
  void operator()(const journal::ended& e) const { take(e.value); }
  // No payload. Named one by one, so that a new kind of entry does not compile until it is counted.
  void operator()(const journal::cancel_asked&) const {}
  void operator()(const journal::cancel_delivered&) const {}
  void operator()(const journal::run_began&) const {}
  void operator()(const journal::parked&) const {}
  void operator()(const journal::compensated&) const {}
  void operator()(const journal::answered_by&) const {}
  void operator()(const journal::died&) const {}
};

} // namespace

std::vector<digest> references_of(lsn at, invocation_no owner, std::string_view row) {
  std::vector<digest> out;
  auto decoded = journal::decode_row(at, owner, row);
  if (!decoded)
    return out;
  for (const auto& e : decoded->entries)
    std::visit(collector{out}, e);
  return out;
}

std::vector<digest> children_of(std::string_view node) {
  std::vector<digest> out;
  constexpr auto size = sizeof(digest::bytes);
  if (node.size() != 2 * size)
    return out;
  for (std::size_t at = 0; at < node.size(); at += size) {
    digest d;
    std::memcpy(d.bytes.data(), node.data() + at, size);
    if (d != digest{})
      out.push_back(d);
  }
  return out;
}

std::string make_tag(std::uint64_t chance) {
  constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr std::uint64_t letters = 26;
  std::string tag(1, alphabet[chance % letters]);
  for (chance /= letters; tag.size() < 6; chance /= alphabet.size())
    tag += alphabet[chance % alphabet.size()];
  return tag;
}

} // namespace troupe::store
