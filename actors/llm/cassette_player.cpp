// Answers from a cassette.
#include "actors/llm/cassette.hpp"
#include "runtime/core/json_difference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>

namespace troupe {
namespace {

/// Places that an error names; the request in question is one line of the file.
constexpr std::size_t differences_shown = 3;
constexpr std::size_t differences_counted = 100;

/// How much two texts have in common at both ends. Canonical requests begin with the conversation,
/// so that the one with the longest common beginning is the same one, a turn earlier or later.
std::size_t likeness(std::string_view a, std::string_view b) {
  auto n = std::min(a.size(), b.size());
  std::size_t front = 0;
  while (front < n && a[front] == b[front])
    ++front;
  std::size_t back = 0;
  while (back < n - front && a[a.size() - 1 - back] == b[b.size() - 1 - back])
    ++back;
  return front + back;
}

std::string side(const std::string& text) {
  return text.empty() ? "nothing" : text;
}

class replaying_backend final : public model_backend {
public:
  explicit replaying_backend(std::shared_ptr<cassette_player> player)
    : player_(std::move(player)) {}

  model_request_id start(const model_request& request, model_done done) override {
    auto answer = player_->answer(request);
    if (request.on_delta && answer)
      stream(*answer, request.on_delta);
    done(std::move(answer));
    return 0; // it has ended: there is nothing to cancel
  }
  void cancel(model_request_id) override {}

private:
  static void stream(const model_answer& a, const std::function<void(const model_delta&)>& to) {
    if (!a.reasoning.empty())
      to({model_delta::kind::reasoning, a.reasoning});
    if (!a.text.empty())
      to({model_delta::kind::text, a.text});
    for (std::size_t i = 0; i < a.tool_calls.size(); ++i)
      to({model_delta::kind::tool_call, a.tool_calls[i].arguments, i});
  }

  std::shared_ptr<cassette_player> player_;
};

} // namespace

struct cassette_player::state {
  struct repeats {
    std::vector<const taped_answer*> answers; ///< in the order of asking
    std::size_t next = 0;
  };

  error not_recorded(const taped_request& asked) const {
    auto why = name + ": this request was not recorded";
    auto nearest = std::max_element(
      tape.answers.begin(), tape.answers.end(), [&](const auto& a, const auto& b) {
        return likeness(a.request.text, asked.text) < likeness(b.request.text, asked.text);
      });
    if (nearest == tape.answers.end())
      return {errc::failed, why + "; the cassette is empty"};
    auto places = json_differences(asked.text, nearest->request.text, differences_counted);
    why += fmt::format("; the nearest one is in line {}", nearest->line);
    for (std::size_t i = 0; i < std::min(places.size(), differences_shown); ++i)
      why += fmt::format("; {}: asked {}, recorded {}", places[i].path, side(places[i].left),
                         side(places[i].right));
    if (places.size() > differences_shown)
      why += fmt::format("; and {} more", places.size() - differences_shown);
    return {errc::failed, std::move(why)};
  }

  cassette tape;
  std::string name;
  std::mutex mutex;
  std::unordered_map<digest, repeats> by_request;
};

cassette_player::cassette_player(cassette from, std::string name)
  : state_(std::make_unique<state>()) {
  state_->tape = std::move(from);
  state_->name = std::move(name);
  for (const auto& a : state_->tape.answers)
    state_->by_request[a.request.hash].answers.push_back(&a);
  for (auto& [_, all] : state_->by_request)
    std::stable_sort(all.answers.begin(), all.answers.end(),
                     [](const auto* a, const auto* b) { return a->nth < b->nth; });
}

cassette_player::~cassette_player() = default;

result<std::shared_ptr<cassette_player>> cassette_player::open(const std::filesystem::path& file,
                                                               std::string_view model) {
  auto tape = load_cassette(file);
  if (!tape)
    return std::move(tape).error();
  if (!model.empty() && !tape->model.empty() && tape->model != model)
    return error{errc::invalid_input,
                 fmt::format("{}: was recorded with the model \"{}\", and this one is \"{}\": "
                             "record it anew",
                             file.string(), tape->model, model)};
  return std::make_shared<cassette_player>(std::move(*tape), file.string());
}

result<model_answer> cassette_player::answer(const model_request& request) {
  auto asked = taped(request);
  std::lock_guard lock{state_->mutex};
  auto found = state_->by_request.find(asked.hash);
  if (found == state_->by_request.end())
    return state_->not_recorded(asked);
  auto& all = found->second;
  auto i = std::min(all.next++, all.answers.size() - 1);
  return all.answers[i]->answer;
}

result<std::shared_ptr<model_backend>> make_replaying_backend(const std::filesystem::path& file,
                                                              std::string_view model) {
  auto player = cassette_player::open(file, model);
  if (!player)
    return std::move(player).error();
  return std::make_shared<replaying_backend>(std::move(*player));
}

} // namespace troupe
