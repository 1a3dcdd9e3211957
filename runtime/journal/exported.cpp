#include "runtime/journal/exported.hpp"

#include "runtime/core/sealed_lines.hpp"
#include "runtime/journal/export_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace troupe::journal {
namespace {

/// The first line.
struct header_line {
  std::uint32_t troupe_journal = export_version;
  std::string id;
  std::uint64_t no = 0;
  std::string agent;
  std::optional<std::string> agent_class;
  std::optional<std::string> key;
  std::optional<std::string> status;
  std::optional<std::string> parent;
};
BOOST_DESCRIBE_STRUCT(header_line, (),
                      (troupe_journal, id, no, agent, agent_class, key, status, parent))

/// A link of a conversation.
struct message_line {
  std::string message; ///< its name
  std::optional<std::string> before;
  raw_json value;
};
BOOST_DESCRIBE_STRUCT(message_line, (), (message, before, value))

/// The last line.
struct end_line {
  std::uint64_t entries = 0;
  std::string sha256; ///< of all lines before
};
BOOST_DESCRIBE_STRUCT(end_line, (), (entries, sha256))

std::optional<std::string> some(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional{text};
}

header_line header_of(const exported& x) {
  header_line h;
  h.id = x.id;
  h.no = x.no;
  h.agent = x.agent;
  h.agent_class = some(x.agent_class);
  h.key = some(x.key);
  h.status = some(x.status);
  h.parent = some(x.parent);
  return h;
}

class writer {
public:
  explicit writer(const exported& from) : from_(from) {}

  result<std::string> all() {
    add(header_of(from_));
    for (const auto& row : from_.rows)
      for (const auto& e : row.entries) {
        if (const auto* c = std::get_if<command>(&e); c != nullptr && c->detail.stored)
          add_messages(c->detail.hash);
        add(detail::to_line(row, e));
        ++entries_;
        if (out_.size() > export_size_max)
          return error{errc::output_too_large,
                       fmt::format("the journal of {} is longer than {} MiB (export_size_max)",
                                   from_.id, export_size_max >> 20U)};
      }
    add(end_line{entries_, to_hex(sha256(out_))});
    return std::move(out_);
  }

private:
  template <class Line>
  void add(const Line& line) {
    std::string object;
    append_set_members(object, line);
    out_ += sealer_.seal(std::move(object));
  }

  // Those that no command before had, the oldest first.
  void add_messages(const digest& last) {
    std::vector<const std::pair<const digest, chain_link>*> fresh;
    for (auto i = from_.chain.find(last); i != from_.chain.end() && told_.insert(i->first).second;
         i = from_.chain.find(i->second.before))
      fresh.push_back(&*i);
    for (auto i = fresh.rbegin(); i != fresh.rend(); ++i) {
      const auto& [name, link] = **i;
      message_line line{to_hex(name), std::nullopt, raw_json{detail::value_of(link.text)}};
      if (link.before != digest{})
        line.before = to_hex(link.before);
      add(line);
    }
  }

  const exported& from_;
  line_sealer sealer_;
  std::set<digest> told_;
  std::uint64_t entries_ = 0;
  std::string out_;
};

class reader {
public:
  reader(std::string_view text, std::string_view name)
    : text_(text), name_(name), lines_(text, name) {}

  result<exported> all() {
    std::string_view line;
    if (!lines_.next(line) || !read_header(line))
      return stopped();
    while (!ended_ && lines_.next(line))
      if (!read_line(line))
        return stopped();
    if (!lines_.state())
      return lines_.state().error();
    if (!ended_)
      return error{errc::corrupted,
                   fmt::format("{}:{}: the file ends here, without its last line: it was cut off",
                               name_, lines_.line() + (lines_.rest().empty() ? 0 : 1))};
    if (!lines_.rest().empty())
      return lines_.at_line("something follows this line, which is the last one");
    return std::move(out_);
  }

private:
  error stopped() const {
    if (wrong_.code != errc::none)
      return wrong_;
    if (!lines_.state() && lines_.line() > 1)
      return lines_.state().error();
    return {errc::invalid_input,
            fmt::format("{}:1: this is no exported journal; `troupe journal ID --export` writes one",
                        name_)};
  }

  bool fail(error why) {
    wrong_ = lines_.at_line(why.message, why.code);
    return false;
  }

  template <class Line>
  std::optional<Line> parse(std::string_view line) {
    auto in = from_json<Line>(line, {.bytes_max = export_size_max});
    if (in)
      return std::move(*in);
    fail({errc::invalid_input, in.error().message});
    return std::nullopt;
  }

  bool read_header(std::string_view line) {
    auto h = parse<header_line>(line);
    if (!h)
      return false;
    if (h->troupe_journal != export_version)
      return fail({errc::invalid_input,
                   fmt::format("version {} of this format is not known here, which is version {}",
                               h->troupe_journal, export_version)});
    out_.id = std::move(h->id);
    out_.no = h->no;
    out_.agent = std::move(h->agent);
    out_.agent_class = h->agent_class.value_or("");
    out_.key = h->key.value_or("");
    out_.status = h->status.value_or("");
    out_.parent = h->parent.value_or("");
    return true;
  }

  bool read_line(std::string_view line) {
    if (line.starts_with("{\"message\""))
      return read_message(line);
    if (line.starts_with("{\"entries\""))
      return read_end(line);
    auto l = parse<detail::entry_line>(line);
    if (!l)
      return false;
    row r{l->lsn, l->run.value_or(outside), l->generation.value_or(outside), {}};
    auto e = detail::from_line(std::move(*l));
    if (!e)
      return fail(std::move(e).error());
    ++entries_;
    if (out_.rows.empty() || out_.rows.back().at != r.at)
      out_.rows.push_back(std::move(r));
    if (auto* c = std::get_if<command>(&*e);
        c != nullptr && c->detail.stored && !out_.chain.contains(c->detail.hash)
        && c->detail.hash != digest{})
      return fail({errc::corrupted, "its messages do not stand before it"});
    out_.rows.back().entries.push_back(std::move(*e));
    return true;
  }

  bool read_message(std::string_view line) {
    auto m = parse<message_line>(line);
    if (!m)
      return false;
    auto name = digest_from_hex(m->message);
    chain_link link;
    if (m->before)
      link.before = digest_from_hex(*m->before).value_or(digest{});
    if (!name || !detail::bytes_of(m->value.text, link.text))
      return fail({errc::invalid_input, "this is no message"});
    out_.chain.emplace(*name, std::move(link));
    return true;
  }

  bool read_end(std::string_view line) {
    auto before = lines_.position() - line.size() - 1;
    auto end = parse<end_line>(line);
    if (!end)
      return false;
    ended_ = true;
    if (end->entries != entries_ || end->sha256 != to_hex(sha256(text_.substr(0, before))))
      return fail({errc::corrupted, "the SHA-256 of the file does not match"});
    return true;
  }

  std::string_view text_;
  std::string_view name_;
  sealed_reader lines_;
  exported out_;
  std::uint64_t entries_ = 0;
  bool ended_ = false;
  error wrong_{errc::none};
};

} // namespace

std::string exported::messages(const digest& last) const {
  std::vector<const std::string*> all;
  for (auto i = chain.find(last); i != chain.end() && all.size() < chain.size();
       i = chain.find(i->second.before))
    all.push_back(&i->second.text);
  std::string out = "[";
  for (auto i = all.rbegin(); i != all.rend(); ++i) {
    if (out.size() > 1)
      out += ',';
    out += **i;
  }
  return out + "]";
}

result<std::string> write_export(const exported& what) {
  return writer{what}.all();
}

result<exported> read_export(std::string_view text, std::string_view name) {
  if (text.size() > 2 * export_size_max)
    return error{errc::output_too_large, fmt::format("{}: is longer than {} MiB", name,
                                                     2 * (export_size_max >> 20U))};
  return reader{text, name}.all();
}

} // namespace troupe::journal
