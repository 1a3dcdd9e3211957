#include "examples/ticket_desk/desk_state.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/json.hpp"
#include "runtime/net/problem.hpp"

#include <algorithm>
#include <iterator>

namespace desk {

namespace {

using troupe::errc;
using troupe::error;
using troupe::result;
using troupe::to_json;

/// What of a ticket's body this service looks at; the rest is kept by digest only.
struct ticket_request {
  std::string id;
  std::string queue;
};
BOOST_DESCRIBE_STRUCT(ticket_request, (), (id, queue))

struct ticket_answer {
  std::string ticket;
  std::string queue;
};
BOOST_DESCRIBE_STRUCT(ticket_answer, (), (ticket, queue))

struct ticket_counts {
  std::uint64_t filed = 0;
  std::uint64_t receipts = 0;
  std::uint64_t keys_twice = 0;
  std::uint64_t tickets_twice = 0;
};
BOOST_DESCRIBE_STRUCT(ticket_counts, (), (filed, receipts, keys_twice, tickets_twice))

struct post_request {
  std::string channel;
  std::string text;
  std::string ref;
};
BOOST_DESCRIBE_STRUCT(post_request, (), (channel, text, ref))

struct post_answer {
  std::string id;
  std::string ref;
};
BOOST_DESCRIBE_STRUCT(post_answer, (), (id, ref))

struct found_messages {
  std::vector<message> messages;
};
BOOST_DESCRIBE_STRUCT(found_messages, (), (messages))

struct chat_counts {
  std::uint64_t posted = 0;
  std::uint64_t refs = 0;
  std::uint64_t refs_twice = 0;
};
BOOST_DESCRIBE_STRUCT(chat_counts, (), (posted, refs, refs_twice))

answer stored(const receipt& r) {
  auto known = ticket_answer{r.ticket, r.queue};
  return {200, to_json(known)};
}

answer not_written() {
  return refusal(507, errc::store_failed, "the state file is full or cannot be written");
}

/// Opens `book` with a reader that takes each line as a `T`.
template <class T, class Apply>
result<void> replay(notebook& book, const std::filesystem::path& file, Apply apply) {
  return book.open(file, [&](std::string_view line) -> result<void> {
    auto record = troupe::from_json<T>(line);
    if (!record)
      return record.error();
    apply(std::move(*record));
    return {};
  });
}

} // namespace

answer refusal(int status, errc code, std::string_view detail) {
  return {status, troupe::net::problem_json(status, code, detail)};
}

result<void> notebook::open(const std::filesystem::path& file, const reader& read) {
  std::string text;
  if (std::ifstream in{file, std::ios::binary})
    text.assign(std::istreambuf_iterator<char>{in}, {});
  auto whole = text.rfind('\n') + 1; // npos + 1 is 0: no line is whole
  std::string_view left{text.data(), whole};
  for (std::size_t number = 1; !left.empty(); ++number) {
    auto end = left.find('\n');
    if (auto done = read(left.substr(0, end)); !done)
      return error{errc::corrupted, file.string() + ":" + std::to_string(number) + ": "
                                      + done.error().message};
    left.remove_prefix(end + 1);
  }
  std::error_code failed;
  if (whole < text.size())
    std::filesystem::resize_file(file, whole, failed);
  out_.open(file, std::ios::binary | std::ios::app);
  if (failed || !out_)
    return error{errc::store_failed, "cannot write " + file.string()};
  return {};
}

bool notebook::append(std::string_view line) {
  out_ << line << '\n' << std::flush;
  return out_.good();
}

result<void> ticketing::open(const std::filesystem::path& file) {
  return replay<receipt>(notebook_, file, [this](receipt r) { apply(std::move(r)); });
}

answer ticketing::file(std::string_view key, std::string_view body) {
  if (key.empty() || key.size() > key_max)
    return refusal(400, errc::invalid_input, "an Idempotency-Key of 1 to 255 characters is needed");
  auto request = troupe::from_json<ticket_request>(body);
  if (!request)
    return refusal(400, errc::invalid_input, "not a ticket: " + request.error().message);
  auto same = troupe::canonical(body);
  if (!same)
    return refusal(400, errc::invalid_input, same.error().message);

  receipt r;
  r.key = key;
  r.id = std::move(request->id);
  r.request = to_hex(troupe::sha256(*same));
  r.queue = std::move(request->queue);
  return record(std::move(r));
}

answer ticketing::record(receipt r) {
  std::lock_guard lock{mutex_};
  auto known = by_key_.find(r.key);
  r.filed = known == by_key_.end();
  r.ticket = r.filed ? "DESK-" + std::to_string(filed_ + 1) : known->second.first.ticket;
  if (receipts_ == records_max || !notebook_.append(to_json(r)))
    return not_written();
  bool conflict = !r.filed && known->second.first.request != r.request;
  auto key = r.key;
  apply(std::move(r));
  if (conflict)
    return refusal(422, errc::key_conflict, "this Idempotency-Key came with another body");
  return stored(by_key_.at(key).first);
}

void ticketing::apply(receipt r) {
  ++receipts_;
  if (!r.filed)
    return;
  ++filed_;
  ++filed_by_id_[r.id];
  auto& entry = by_key_[r.key];
  if (++entry.times_filed == 1)
    entry.first = std::move(r);
}

answer ticketing::by_key(std::string_view key) const {
  std::lock_guard lock{mutex_};
  auto known = by_key_.find(key);
  if (known == by_key_.end())
    return refusal(404, errc::not_found, "no ticket was filed with this key");
  return stored(known->second.first);
}

answer ticketing::counts() const {
  std::lock_guard lock{mutex_};
  ticket_counts c;
  c.filed = filed_;
  c.receipts = receipts_;
  for (auto& [key, entry] : by_key_)
    c.keys_twice += entry.times_filed > 1 ? 1U : 0U;
  for (auto& [id, times] : filed_by_id_)
    c.tickets_twice += times > 1 ? 1U : 0U;
  return {200, to_json(c)};
}

result<void> chat::open(const std::filesystem::path& file) {
  return replay<message>(notebook_, file, [this](message m) { apply(std::move(m)); });
}

answer chat::post(std::string_view body) {
  auto request = troupe::from_json<post_request>(body);
  if (!request)
    return refusal(400, errc::invalid_input, "not a message: " + request.error().message);
  if (request->ref.size() > key_max)
    return refusal(400, errc::invalid_input, "a ref has at most 255 characters");

  std::lock_guard lock{mutex_};
  message m{"MSG-" + std::to_string(posted_ + 1), std::move(request->channel),
            std::move(request->text), std::move(request->ref)};
  auto said = post_answer{m.id, m.ref};
  if (posted_ == records_max || !notebook_.append(to_json(m)))
    return not_written();
  apply(std::move(m));
  return {200, to_json(said)};
}

void chat::apply(message m) {
  ++posted_;
  by_ref_[m.ref].push_back(std::move(m));
}

answer chat::find(std::string_view ref) const {
  std::lock_guard lock{mutex_};
  found_messages found;
  if (auto known = by_ref_.find(ref); known != by_ref_.end())
    found.messages = known->second;
  return {200, to_json(found)};
}

answer chat::counts() const {
  std::lock_guard lock{mutex_};
  chat_counts c;
  c.posted = posted_;
  c.refs = by_ref_.size();
  c.refs_twice = static_cast<std::uint64_t>(std::count_if(
    by_ref_.begin(), by_ref_.end(), [](const auto& entry) { return entry.second.size() > 1; }));
  return {200, to_json(c)};
}

} // namespace desk
