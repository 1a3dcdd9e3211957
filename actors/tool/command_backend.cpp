#include "actors/tool/command_backend.hpp"

#include "actors/tool/running_stops.hpp"
#include "actors/tool/text_template.hpp"
#include "runtime/core/json.hpp"
#include "runtime/net/blocking_pool.hpp"
#include "runtime/net/child_process.hpp"

#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {
namespace {

using std::chrono::milliseconds;

/// Attempts that may wait for a thread: those whose program is slow to die hold theirs.
constexpr std::size_t backlog_max = 10'000;

/// Between SIGTERM and SIGKILL: a tool is to stop, not to tidy up.
constexpr milliseconds kill_grace{500};

/// Bytes of stderr in a message: its end is where programs say what went wrong.
constexpr std::size_t errors_shown_max = 500;

std::string tail(std::string_view errors) {
  auto end = errors.find_last_not_of(" \t\r\n");
  if (end == errors.npos)
    return {};
  auto text = errors.substr(0, end + 1);
  if (text.size() > errors_shown_max)
    text.remove_prefix(text.size() - errors_shown_max);
  return std::string{text};
}

/// The limit that a signal stands for.
std::string_view limit_of(int signal) {
  if (signal == SIGXCPU)
    return ": its processor time is used up (cpu_max)";
  if (signal == SIGXFSZ)
    return ": a file grew too large (file_size_max)";
  return "";
}

error ended_badly(const net::child_outcome& how) {
  auto said = tail(how.errors);
  auto text = how.signal != 0
                ? fmt::format("ended by signal {}{}", how.signal, limit_of(how.signal))
                : fmt::format("exit code {}", how.exit_code);
  if (!said.empty())
    text += ": " + said;
  return error{errc::failed, std::move(text),
               how.signal != 0 ? certainty::unknown : certainty::definite};
}

result<std::string> outcome_of(result<net::child_outcome> ran) {
  if (!ran)
    return std::move(ran).error();
  if (!ran->ok())
    return ended_badly(*ran);
  if (ran->output.find_first_not_of(" \t\r\n") == std::string::npos)
    return std::string{"null"};
  auto checked = from_json<raw_json>(ran->output);
  if (!checked)
    return error{errc::schema_mismatch, "its output is not JSON: " + checked.error().message,
                 certainty::unknown};
  return std::move(checked->text);
}

/// `--output=/etc/x` where a word was meant. A lone `-` and numbers are what they look like.
bool reads_as_option(std::string_view argument) {
  return argument.size() > 1 && argument[0] == '-' && (argument[1] < '0' || argument[1] > '9');
}

/// One argument of an argv, and whether the call says how it begins.
struct argument_template {
  text_template text;
  bool open = false;
};

class command_backend final : public tool_backend {
public:
  command_backend(const std::vector<std::string>& argv, command_tool_options options,
                  std::size_t threads, bool reconciles)
    : options_(std::move(options)),
      reconciles_(reconciles),
      pool_({.threads_max = std::clamp<std::size_t>(threads, 1, command_threads_max),
             .queue_max = backlog_max}) {
    bool options_end = false;
    for (const auto& part : argv) {
      options_end = options_end || part == "--";
      argv_.push_back({text_template{part}, part.starts_with('{') && !options_end});
    }
  }

  void start(attempt_request request, attempt_done done) override {
    auto program = to_spec(request);
    if (!program) {
      done(std::move(program).error());
      return;
    }
    auto id = request.id;
    auto stop = stops_.add(id);
    auto posted = pool_.post([this, id, done, stop, spec = std::move(*program)] {
      auto outcome = outcome_of(net::run_child(spec, stop));
      stops_.remove(id);
      done(std::move(outcome));
    });
    if (posted)
      return;
    stops_.remove(id);
    done(std::move(posted).error());
  }

  void cancel(attempt_id id) override { stops_.stop(id); }

  milliseconds grace() const override { return kill_grace + milliseconds{500}; }

private:
  result<net::child_spec> to_spec(const attempt_request& request) const {
    auto arguments = parse_json(request.body);
    if (!arguments)
      return error{errc::invalid_input, "arguments: " + arguments.error().message};
    template_values values{*arguments, request.key};
    net::child_spec spec;
    for (const auto& part : argv_) {
      auto filled = part.text.fill(values, template_encoding::plain);
      if (!filled)
        return std::move(filled).error();
      if (part.open && reads_as_option(*filled))
        return error{errc::invalid_input, "an argument begins with '-' and would be an option"};
      spec.argv.push_back(std::move(*filled));
    }
    spec.input = reconciles_ ? reconcile_question(request.key, request.body) : request.body;
    spec.env_allow = options_.env;
    spec.env.emplace_back("TROUPE_IDEMPOTENCY_KEY", request.key);
    spec.working_dir = options_.cwd.string();
    spec.timeout = request.timeout;
    spec.kill_grace = kill_grace;
    spec.output_max = options_.output_max;
    spec.limits.open_files = options_.files_max;
    if (options_.cpu_max > milliseconds{0})
      spec.limits.cpu_seconds = std::chrono::ceil<std::chrono::seconds>(options_.cpu_max).count();
    if (options_.memory_max > 0)
      spec.limits.address_space = options_.memory_max;
    if (options_.file_size_max > 0)
      spec.limits.file_size = options_.file_size_max;
    if (options_.processes_max > 0)
      spec.limits.processes = options_.processes_max;
    return spec;
  }

  std::vector<argument_template> argv_;
  command_tool_options options_;
  bool reconciles_;
  running_stops stops_;
  net::blocking_pool pool_; ///< last: its threads use the others
};

} // namespace

std::shared_ptr<tool_backend> make_command_backend(const command_tool_options& options,
                                                   std::size_t threads) {
  return std::make_shared<command_backend>(options.argv, options, threads, false);
}

std::shared_ptr<tool_backend> make_command_reconciler(const reconcile_options& reconcile,
                                                      const command_tool_options& options) {
  constexpr std::size_t threads = 2; // lost outcomes are rare
  return std::make_shared<command_backend>(reconcile.argv, options, threads, true);
}

std::string reconcile_question(std::string_view key, std::string_view arguments) {
  std::string out = R"({"idempotency_key":)";
  append_string(out, key);
  out += R"(,"arguments":)";
  out += arguments.empty() ? "null" : arguments;
  out += '}';
  return out;
}

} // namespace troupe
