#pragma once
// A model's conversation on file: recorded once, answered offline ever after.
//
// A test against a real model is slow, dear and different every time; a script that somebody made
// up is none of that, but also not what the model said. A cassette is: each request that an
// endpoint sent, in its canonical form, with the answer that came. `record = "file"` in a topology
// writes one, `replay = "file"` answers from it, without a network and without a key.
//
//   matching  by content: messages, schema, tools, temperature, max_tokens. White space and the
//             order of keys do not count, nor do timeouts and where the model is
//   repeats   the same request several times gets the recorded answers in their order; asked more
//             often than that, the last one again (after a restart nobody knows how often it was)
//   else      `errc::failed`, naming the nearest recorded request and what differs
//
// What passes with a retry (unreachable, 429, too slow, cancelled) is not recorded: the endpoint
// asks again, and that answer is. What the model itself refuses is. No header, key or URL is in the
// file; what was said is.
//
// The form is specified in README.md in this folder.

#include "actors/llm/model_backend.hpp"
#include "runtime/core/digest.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// The version of the file's form.
inline constexpr std::uint32_t cassette_version = 1;

/// Bytes of one file: what a recording that nobody stopped may fill. Past it recording endpoints
/// answer `failed`: an answer that is not recorded would be missed much later.
inline constexpr std::size_t cassette_size_max = std::size_t{64} << 20;

/// A request as a cassette knows it.
struct taped_request {
  std::string text; ///< canonical JSON
  digest hash{};    ///< its SHA-256
};
taped_request taped(const model_request& request);

/// One line of a cassette.
struct taped_answer {
  taped_request request;
  std::uint64_t nth = 1; ///< the how-manieth request of this content, in the order of asking
  result<model_answer> answer;
  std::size_t line = 0;
};

struct cassette {
  std::string model; ///< as the provider names it; empty: it had no name
  std::vector<taped_answer> answers;
  std::size_t size = 0;  ///< bytes of whole lines; what follows was cut off while it was written
  std::uint32_t sum = 0; ///< of the last line
};

/// @param name what errors call it
/// @returns `errc::corrupted` or `errc::invalid_input`, naming the line
result<cassette> read_cassette(std::string_view text, std::string_view name);
/// The same from a file; `errc::not_found` where it cannot be read.
result<cassette> load_cassette(const std::filesystem::path& file);

/// The first line, and one with an answer: JSON objects without their sums.
std::string cassette_header(std::string_view model);
std::string cassette_line(const taped_answer& a);

/// Answers from a cassette. Thread-safe.
class cassette_player {
public:
  cassette_player(cassette from, std::string name);
  ~cassette_player();
  cassette_player(const cassette_player&) = delete;
  cassette_player& operator=(const cassette_player&) = delete;

  /// @param model must be the recorded one, where both are known
  static result<std::shared_ptr<cassette_player>> open(const std::filesystem::path& file,
                                                       std::string_view model = {});

  /// What was recorded for this; `errc::failed` naming the nearest where nothing was.
  result<model_answer> answer(const model_request& request);

private:
  struct state;
  std::unique_ptr<state> state_;
};

/// A backend that answers from `file`.
result<std::shared_ptr<model_backend>> make_replaying_backend(const std::filesystem::path& file,
                                                              std::string_view model);

/// A backend that adds all that `inner` answers to `file`; makes the file where there is none, goes
/// on behind what is there. One process at a time: `errc::unavailable` for the second.
result<std::shared_ptr<model_backend>> make_recording_backend(std::shared_ptr<model_backend> inner,
                                                              const std::filesystem::path& file,
                                                              std::string_view model,
                                                              std::size_t size_max
                                                              = cassette_size_max);

} // namespace troupe
