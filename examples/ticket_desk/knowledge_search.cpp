#include "examples/ticket_desk/knowledge_search.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <set>

namespace desk {
namespace {

namespace fs = std::filesystem;
using troupe::errc;
using troupe::error;

// The usual values of BM25: k1 is how soon a repeated word stops to count, b how much a long
// document is held back.
constexpr double k1 = 1.2;
constexpr double b = 0.75;
// A title says what its page is about, so each word of it counts as often as this.
constexpr std::uint32_t title_weight = 3;
// The paragraph of words in other languages helps to find a page and tells a reader nothing.
constexpr std::string_view keywords_begin = "Customers also write:";

/// The first heading, or the first line; `rest` becomes what follows it.
std::string title_of(std::string_view text, std::string_view& rest) {
  auto end = std::min(text.find('\n'), text.size());
  auto line = text.substr(0, end);
  rest = text.substr(end);
  line.remove_prefix(std::min(line.find_first_not_of("# "), line.size()));
  return std::string{line};
}

/// The next part of the text up to an empty line.
std::string_view paragraph(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  auto end = std::min(text.find("\n\n"), text.size());
  auto part = text.substr(0, end);
  text.remove_prefix(end);
  return part;
}

/// Cuts to at most `size_max` bytes, never within a UTF-8 sequence.
std::string shortened(std::string_view text, std::size_t size_max) {
  if (text.size() <= size_max)
    return std::string{text};
  auto end = size_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  return std::string{text.substr(0, end)};
}

troupe::result<std::vector<fs::path>> pages_of(const fs::path& folder) {
  std::error_code failed;
  std::vector<fs::path> pages;
  for (fs::directory_iterator it{folder, failed}, end; !failed && it != end; it.increment(failed)) {
    if (it->path().extension() != ".md")
      continue;
    if (pages.size() == knowledge::documents_max)
      return error{errc::output_too_large,
                   "more than " + std::to_string(knowledge::documents_max) + " documents in "
                     + folder.string()};
    pages.push_back(it->path());
  }
  if (failed || pages.empty())
    return error{errc::not_found, "no *.md in the folder " + folder.string()
                                    + (failed ? ": " + failed.message() : "")};
  std::sort(pages.begin(), pages.end()); // the same order, so the same ranking, on every machine
  return pages;
}

} // namespace

troupe::result<knowledge> knowledge::open(const fs::path& folder) {
  auto pages = pages_of(folder);
  if (!pages)
    return pages.error();
  knowledge base;
  for (auto& page : *pages) {
    std::error_code failed;
    if (fs::file_size(page, failed) > document_size_max && !failed)
      return error{errc::output_too_large, page.string() + " is longer than "
                                             + std::to_string(document_size_max) + " bytes"};
    std::ifstream in{page, std::ios::binary};
    if (!in)
      return error{errc::not_found, "cannot read " + page.string()};
    document doc;
    doc.file = page.filename().string();
    doc.text.assign(std::istreambuf_iterator<char>{in}, {});
    base.add(std::move(doc));
  }
  return base;
}

void knowledge::add(document doc) {
  std::string_view body;
  doc.title = title_of(doc.text, body);
  std::unordered_map<std::string, std::uint32_t> counts;
  for (auto& word : tokens(doc.title))
    counts[word] += title_weight;
  for (auto& word : tokens(body))
    ++counts[word];
  auto number = static_cast<std::uint32_t>(documents_.size());
  for (auto& [word, count] : counts) {
    doc.length += count;
    index_[word].push_back({number, count});
  }
  length_total_ += doc.length;
  documents_.push_back(std::move(doc));
}

double knowledge::rarity(const std::string& word) const {
  auto found = index_.find(word);
  if (found == index_.end())
    return 0;
  auto with = static_cast<double>(found->second.size());
  auto all = static_cast<double>(documents_.size());
  return std::log(1 + (all - with + 0.5) / (with + 0.5));
}

std::vector<hit> knowledge::search(std::string_view query, std::size_t count) const {
  auto asked = tokens(query.substr(0, query_max));
  scores words;
  std::vector<double> sums(documents_.size());
  auto average = static_cast<double>(length_total_) / static_cast<double>(documents_.size());
  // A set gives one fixed order of summation, so equal queries have bitwise equal scores.
  for (auto& word : std::set<std::string>{asked.begin(), asked.end()}) {
    auto weight = rarity(word);
    if (weight == 0)
      continue;
    words.emplace(word, weight);
    for (auto& p : index_.at(word)) {
      auto length = static_cast<double>(documents_[p.document].length);
      auto n = static_cast<double>(p.count);
      sums[p.document] += weight * n * (k1 + 1) / (n + k1 * (1 - b + b * length / average));
    }
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < sums.size(); ++i)
    if (sums[i] > 0)
      order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t l, std::size_t r) { return sums[l] > sums[r]; });
  order.resize(std::min(order.size(), count));
  std::vector<hit> hits;
  for (auto i : order) {
    auto& doc = documents_[i];
    hits.push_back({doc.file, doc.title, sums[i], excerpt(doc, words)});
  }
  return hits;
}

std::string knowledge::excerpt(const document& doc, const scores& words) const {
  std::string_view rest;
  title_of(doc.text, rest);
  std::string_view best;
  double best_score = -1;
  for (auto part = paragraph(rest); !part.empty(); part = paragraph(rest)) {
    double score = 0;
    auto seen = tokens(part);
    for (auto& word : std::set<std::string>{seen.begin(), seen.end()})
      if (auto found = words.find(word); found != words.end())
        score += found->second;
    bool prose = !part.starts_with('#') && !part.starts_with(keywords_begin);
    if (prose && score > best_score) {
      best = part;
      best_score = score;
    }
  }
  return shortened(best, excerpt_max);
}

} // namespace desk
