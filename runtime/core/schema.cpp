#include "runtime/core/schema.hpp"

#include <algorithm>

namespace troupe::detail {

bool schema_writer::open(const void* type) {
  auto text = reference(type);
  if (!text.empty()) {
    out_ += R"({"$ref":")" + text + R"("})";
    return false;
  }
  open_.push_back({type, out_.size(), {}, {}});
  return true;
}

// Where the schema of `type` stands or will stand; empty for a struct not met before.
std::string schema_writer::reference(const void* type) {
  auto same = [type](const auto& known) { return known.type == type; };
  if (auto i = std::ranges::find_if(open_, same); i != open_.end()) {
    if (i->start == 0)
      return "#";
    if (i->name.empty())
      i->name = "t" + std::to_string(++names_);
    return "#/$defs/" + i->name;
  }
  if (auto i = std::ranges::find_if(definitions_, same); i != definitions_.end())
    return "#/$defs/" + i->name;
  return {};
}

void schema_writer::member(std::string_view name) {
  auto& members = open_.back().members;
  if (!members.empty())
    out_ += ',';
  append_string(out_, name);
  out_ += ':';
  members.push_back(name);
}

void schema_writer::describe(std::size_t from, std::string_view text) {
  if (text.empty())
    return;
  out_.pop_back(); // the closing brace
  if (out_.size() > from + 1)
    out_ += ',';
  out_ += R"("description":)";
  append_string(out_, text);
  out_ += '}';
}

void schema_writer::close() {
  auto done = std::move(open_.back());
  open_.pop_back();
  out_ += R"(},"required":[)";
  for (auto name : done.members) {
    append_string(out_, name);
    out_ += ',';
  }
  detail::close(out_, ']');
  out_ += R"(,"additionalProperties":false})";
  if (done.name.empty())
    return;
  // Something inside refers to it: it moves to the definitions, and a reference stays.
  definitions_.push_back({done.type, done.name, out_.substr(done.start)});
  out_.resize(done.start);
  out_ += R"({"$ref":"#/$defs/)" + done.name + R"("})";
}

void schema_writer::type(std::string_view name) {
  out_ += R"({"type":)";
  append_string(out_, name);
  out_ += '}';
}

void schema_writer::enumeration(enumerators all) {
  out_ += R"({"type":"string","enum":[)";
  for (std::size_t i = 0; i < all.count; ++i) {
    append_string(out_, all.first[i].name);
    out_ += ',';
  }
  detail::close(out_, ']');
  out_ += '}';
}

std::string schema_writer::finish() && {
  if (definitions_.empty())
    return std::move(out_);
  out_.back() = ',';
  out_ += R"("$defs":{)";
  for (const auto& d : definitions_) {
    append_string(out_, d.name);
    out_ += ':' + d.text + ',';
  }
  detail::close(out_, '}');
  out_ += '}';
  return std::move(out_);
}

} // namespace troupe::detail
