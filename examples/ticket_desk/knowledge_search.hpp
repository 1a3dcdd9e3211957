#pragma once
// Finds the documents of a folder that answer a question best (BM25).
//
// A support desk's knowledge is a few dozen pages of markdown. For that an index in memory, built
// once at the start, answers in microseconds and needs no service beside the process.
//
// Threads: immutable once opened, so any number of threads may search.
//
//   auto base = desk::knowledge::open("examples/ticket_desk/knowledge");
//   for (auto& h : base->search("charged twice", 3))
//     use(h.document, h.excerpt);

#include "runtime/core/result.hpp"

#include <boost/describe/class.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace desk {

/// One document that was found.
struct hit {
  std::string document; ///< file name within the folder
  std::string title;    ///< its first heading
  double score = 0;     ///< BM25; comparable within one search only
  std::string excerpt;  ///< the paragraph that fits best, at most `excerpt_max` bytes
};
BOOST_DESCRIBE_STRUCT(hit, (), (document, title, score, excerpt))

/// The words of a text, folded to lower case without accents. Bytes that are not UTF-8 separate
/// words; Chinese and Japanese, which put no spaces between words, give overlapping pairs.
std::vector<std::string> tokens(std::string_view text);

/// A searchable folder of markdown files.
class knowledge {
public:
  /// More is not a folder of support pages; the index would want a service of its own.
  static constexpr std::size_t documents_max = 1'000;
  /// Bytes a document. Longer ones are refused: they would push all others out of the prompt.
  static constexpr std::uintmax_t document_size_max = 256 * 1024;
  /// Bytes of an excerpt: three of them still leave a prompt short.
  static constexpr std::size_t excerpt_max = 600;
  /// Bytes of a query that are looked at. Customers paste whole logs.
  static constexpr std::size_t query_max = 4 * 1024;

  /// Reads every `*.md` of the folder. `not_found` without one, `output_too_large` above a bound.
  static troupe::result<knowledge> open(const std::filesystem::path& folder);

  /// The best documents, best first; at most `count`, none that shares no word with the query.
  std::vector<hit> search(std::string_view query, std::size_t count) const;

  std::size_t size() const noexcept { return documents_.size(); }

private:
  using scores = std::unordered_map<std::string, double>;

  struct document {
    std::string file;
    std::string title;
    std::string text;
    std::size_t length = 0; ///< in words
  };
  struct posting {
    std::uint32_t document = 0;
    std::uint32_t count = 0;
  };

  void add(document doc);
  double rarity(const std::string& word) const;
  std::string excerpt(const document& doc, const scores& words) const;

  std::vector<document> documents_;
  std::unordered_map<std::string, std::vector<posting>> index_;
  std::size_t length_total_ = 0;
};

} // namespace desk
