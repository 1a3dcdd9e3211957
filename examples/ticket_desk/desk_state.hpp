#pragma once
// What the desk's two services remember: who filed what, and what was posted.
//
// They are the witnesses of the example. `troupe` is killed again and again; whether a ticket was
// filed twice is then asked of these, which count what reached them and know nothing of troupe. So
// the counts are measured from the records, never derived from what ought to be.
//
// Lifecycle: make one, `open` it once (reads back what the file holds), then call it. Every record
// is in the file before it is answered.
//
// Threads: each object has its own lock; call it from any thread.

#include "runtime/core/result.hpp"

#include <boost/describe/class.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace desk {

/// What a service answers to one request; from status 400 on the body is a problem document.
struct answer {
  int status = 200;
  std::string body;
};

/// An answer that says no, and why.
answer refusal(int status, troupe::errc code, std::string_view detail);

/// Records a service keeps, each about 1 KiB in memory: far above what any example sends. Above it
/// requests are refused with 507.
inline constexpr std::size_t records_max = 100'000;
/// Bytes of an idempotency key or a ref.
inline constexpr std::size_t key_max = 255;

/// A file of lines that only grows. A last line that was cut off is dropped when it is opened.
class notebook {
public:
  using reader = std::function<troupe::result<void>(std::string_view line)>;

  /// Hands every line to `read`, then stands ready to append.
  troupe::result<void> open(const std::filesystem::path& file, const reader& read);
  /// False when the file cannot be written; then nothing more is accepted.
  bool append(std::string_view line);

private:
  std::ofstream out_;
};

/// One POST to the ticketing service that had a key, as it stands in the file.
struct receipt {
  std::string key;
  std::string id;      ///< the customer's ticket, T-1001
  std::string request; ///< digest of the canonical body
  std::string ticket;  ///< what it was filed as, DESK-1
  std::string queue;
  bool filed = false; ///< false: the key was known, the stored answer went out
};
BOOST_DESCRIBE_STRUCT(receipt, (), (key, id, request, ticket, queue, filed))

/// Files tickets, once for each idempotency key.
class ticketing {
public:
  troupe::result<void> open(const std::filesystem::path& file);

  /// `{"id","queue",..}` to `{"ticket","queue"}`. The same key and body again: the stored answer.
  /// 400 without a key or with a body that is no ticket, 422 for the same key with another body.
  answer file(std::string_view key, std::string_view body);
  /// The stored answer for a key, or 404.
  answer by_key(std::string_view key) const;
  /// `{"filed","receipts","keys_twice","tickets_twice"}`
  answer counts() const;

private:
  struct entry {
    receipt first;
    std::uint64_t times_filed = 0;
  };

  void apply(receipt r);
  answer record(receipt r);

  mutable std::mutex mutex_;
  notebook notebook_;
  std::map<std::string, entry, std::less<>> by_key_;
  std::map<std::string, std::uint64_t> filed_by_id_;
  std::uint64_t receipts_ = 0;
  std::uint64_t filed_ = 0;
};

/// One posted message, as it stands in the file.
struct message {
  std::string id; ///< MSG-1
  std::string channel;
  std::string text;
  std::string ref; ///< whatever the sender put in to find it by
};
BOOST_DESCRIBE_STRUCT(message, (), (id, channel, text, ref))

/// Posts messages. It has no idea of keys: each POST is one more message.
class chat {
public:
  troupe::result<void> open(const std::filesystem::path& file);

  /// `{"channel","text","ref"}` to `{"id","ref"}`; 400 for anything else.
  answer post(std::string_view body);
  /// `{"messages":[..]}` with this ref, oldest first; empty when there is none.
  answer find(std::string_view ref) const;
  /// `{"posted","refs","refs_twice"}`
  answer counts() const;

private:
  void apply(message m);

  mutable std::mutex mutex_;
  notebook notebook_;
  std::map<std::string, std::vector<message>, std::less<>> by_ref_;
  std::uint64_t posted_ = 0;
};

} // namespace desk
