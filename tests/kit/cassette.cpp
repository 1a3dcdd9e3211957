#include "tests/kit/cassette.hpp"

#include "actors/llm/answer.hpp"
#include "actors/llm/cassette.hpp"
#include "actors/llm/llm_endpoint.hpp"
#include "actors/llm/question.hpp"
#include "runtime/core/effects.hpp"

#include <map>

namespace troupe::kit {
namespace {

/// What an endpoint makes of a call: question, answer, repairs, value.
result<std::string> converse(cassette_player& tape, const call_request& call,
                             const endpoint_options& settings) {
  auto asked = read_question(call.body, settings);
  if (!asked)
    return std::move(asked).error();
  for (std::uint32_t repairs = 0;; ++repairs) {
    auto answer = tape.answer(*asked);
    if (!answer)
      return std::move(answer).error();
    if (asked->schema.empty())
      return to_json(completion_text{answer->text, answer->input_tokens, answer->output_tokens});
    auto schema = schema_validator::compile(asked->schema);
    if (!schema)
      return std::move(schema).error();
    auto value = find_answer(answer->text, *schema);
    if (value || repairs == settings.repairs_max)
      return value;
    asked->messages.push_back(model_message{"assistant", answer->text});
    asked->messages.push_back(model_message{"user", complaint(value.error())});
    asked->temperature = 0.0;
  }
}

struct playing {
  result<std::shared_ptr<cassette_player>> tape;
  endpoint_options settings;
  std::map<std::string, result<std::string>> told; ///< by key
};

} // namespace

scripted_service cassette(std::string name, const std::filesystem::path& file,
                          endpoint_options settings) {
  auto p = std::make_shared<playing>();
  p->tape = cassette_player::open(file, settings.model);
  p->settings = std::move(settings);
  scripted_service s;
  s.name = std::move(name);
  s.info = llm_service_info(p->settings);
  s.answer = [p](const call_request& call, std::uint32_t) {
    scripted_answer a;
    auto [known, fresh] = p->told.try_emplace(call.key);
    if (fresh)
      known->second = p->tape ? converse(**p->tape, call, p->settings)
                              : result<std::string>{p->tape.error()};
    a.value = known->second;
    return a;
  };
  return s;
}

} // namespace troupe::kit
