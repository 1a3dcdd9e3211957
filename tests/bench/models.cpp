// What stands between an agent and a model's server: limiter, breaker, endpoint, JSON and HTTP, with
// the journal off (a request to the endpoint) and on (an agent's invocation), against libcurl alone
// and against nginx as a plain proxy, all to the same upstream in the same run.
//
//   bench_models [--seconds N] [--runs N] [--concurrency 1,16,64]
//
// The upstream is another nginx that answers at once. Client, proxy and upstream share the machine's
// cores, so processor time says more than requests a second. One JSON line for each path and
// concurrency, the median of the runs.

#include "actors/llm/llm_endpoint.hpp"
#include "runtime/core/agent.hpp"
#include "runtime/core/call.hpp"
#include "runtime/core/timer.hpp"
#include "runtime/net/http_client.hpp"
#include "tests/bench/support/fresh.hpp"
#include "tests/bench/support/http_load.hpp"
#include "tests/bench/support/nginx.hpp"
#include "tests/bench/support/rig.hpp"

#include <CLI/CLI.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <map>
#include <mutex>

namespace bench_messages {
struct begin {};
} // namespace bench_messages
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(bench_messages::begin)

namespace {

using namespace troupe;

constexpr const char* answer
  = R"({"id":"c1","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,)"
    R"("message":{"role":"assistant","content":"It belongs into the billing queue."},)"
    R"("finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":8,"total_tokens":20}})";
constexpr const char* question = R"({"messages":[{"role":"user","content":"Which queue?"}]})";
constexpr const char* posted
  = R"({"model":"up","messages":[{"role":"user","content":"Which queue?"}]})";

struct queue_answer {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(queue_answer, (), (text))

class bench_asks final : public agent<int, queue_answer> {
  task<queue_answer> run(int) override {
    auto said = co_await llm("up").complete("Which queue?");
    if (!said)
      co_return std::move(said).error();
    queue_answer out;
    out.text = std::move(said->text);
    co_return out;
  }
};
TROUPE_AGENT(bench_asks)

/// Keeps so many calls going for a while.
class load {
public:
  using clock = std::chrono::steady_clock;
  using launch = std::function<void(clock::time_point)>;

  std::vector<double> run(int concurrency, double seconds, const launch& go) {
    end_ = clock::now() + std::chrono::duration_cast<clock::duration>(whole(seconds));
    open_ = concurrency;
    took_.clear();
    for (int i = 0; i < concurrency; ++i)
      go(clock::now());
    std::unique_lock lock{mutex_};
    done_.wait(lock, [this] { return open_ == 0; });
    return std::move(took_);
  }

  /// @returns whether to begin another one
  bool ended(clock::time_point begun, bool ok) {
    auto now = clock::now();
    std::unique_lock lock{mutex_};
    if (!ok) {
      std::fputs("bench_models: a call failed\n", stderr);
      std::_Exit(1);
    }
    took_.push_back(std::chrono::duration<double, std::milli>(now - begun).count());
    if (now < end_)
      return true;
    if (--open_ == 0)
      done_.notify_all();
    return false;
  }

private:
  static std::chrono::duration<double> whole(double seconds) {
    return std::chrono::duration<double>{seconds};
  }

  std::mutex mutex_;
  std::condition_variable done_;
  std::vector<double> took_;
  clock::time_point end_{};
  int open_ = 0;
};

/// One caller among several: a request to the endpoint after the other.
class caller final : public caf::event_based_actor {
public:
  caller(caf::actor_config& cfg, caf::actor to, load& all)
    : caf::event_based_actor(cfg), to_(std::move(to)), load_(all) {}
  caf::behavior make_behavior() override {
    return {[this](const bench_messages::begin&) { next(load::clock::now()); }};
  }

private:
  void next(load::clock::time_point begun) {
    call_request r;
    r.id = ++last_;
    r.service = "llm:up";
    r.body = question;
    r.key = "k-" + std::to_string(last_);
    r.cls = effect_class::read;
    r.invocation = "k3f9x2-17";
    r.agent = "bench";
    request(to_, caf::infinite, std::move(r)).then([this, begun](const call_reply& reply) {
      if (load_.ended(begun, reply.outcome.has_value()))
        next(load::clock::now());
    });
  }
  caf::actor to_;
  load& load_;
  call_id last_ = 0;
};

struct figure {
  double per_s = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double cpu_us = 0; ///< of a request, in the process that carries it
};

figure figure_of(std::vector<double> took, double seconds, double cpu_s) {
  auto n = static_cast<double>(took.size());
  return {n / seconds, bench::quantile(took, 0.5), bench::quantile(took, 0.99), cpu_s / n * 1e6};
}

/// libcurl alone: one thread, one multi handle, so many easy handles that are used again.
class bare_curl {
public:
  bare_curl(const std::string& url, int concurrency) : multi_(curl_multi_init()) {
    headers_ = curl_slist_append(nullptr, "Content-Type: application/json");
    for (int i = 0; i < concurrency; ++i) {
      auto* e = curl_easy_init();
      curl_easy_setopt(e, CURLOPT_URL, url.c_str());
      curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers_);
      curl_easy_setopt(e, CURLOPT_POSTFIELDS, posted);
      curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
      curl_easy_setopt(e, CURLOPT_WRITEFUNCTION,
                       +[](char*, std::size_t, std::size_t n, void*) { return n; });
      all_.push_back(e);
    }
  }
  bare_curl(const bare_curl&) = delete;
  bare_curl& operator=(const bare_curl&) = delete;
  ~bare_curl() {
    for (auto* e : all_)
      curl_easy_cleanup(e);
    curl_slist_free_all(headers_);
    curl_multi_cleanup(multi_);
  }

  std::vector<double> run(double seconds) {
    std::vector<double> took;
    std::map<CURL*, load::clock::time_point> begun;
    auto end = load::clock::now() + std::chrono::duration<double>(seconds);
    for (auto* e : all_) {
      begun[e] = load::clock::now();
      curl_multi_add_handle(multi_, e);
    }
    for (auto open = all_.size(); open > 0;) {
      int running = 0;
      curl_multi_perform(multi_, &running);
      int left = 0;
      while (auto* m = curl_multi_info_read(multi_, &left)) {
        auto now = load::clock::now();
        auto* e = m->easy_handle;
        if (m->data.result != CURLE_OK)
          std::_Exit(1);
        took.push_back(std::chrono::duration<double, std::milli>(now - begun[e]).count());
        curl_multi_remove_handle(multi_, e);
        begun[e] = now;
        if (now < end)
          curl_multi_add_handle(multi_, e);
        else
          --open;
      }
      if (running > 0)
        curl_multi_poll(multi_, nullptr, 0, 100, nullptr);
    }
    return took;
  }

private:
  CURLM* multi_;
  curl_slist* headers_ = nullptr;
  std::vector<CURL*> all_;
};

figure with_curl(std::uint16_t port, int concurrency, double seconds) {
  bare_curl c{fmt::format("http://127.0.0.1:{}/v1/chat/completions", port), concurrency};
  c.run(seconds / 10);
  auto cpu = bench::cpu_seconds();
  auto took = c.run(seconds);
  return figure_of(std::move(took), seconds, bench::cpu_seconds() - cpu);
}

figure with_nginx(const bench::nginx& proxy, int concurrency, double seconds) {
  bench::http_load(proxy.port(), "/v1/chat/completions", posted, concurrency, seconds / 10);
  auto cpu = proxy.cpu_seconds();
  auto r = bench::http_load(proxy.port(), "/v1/chat/completions", posted, concurrency, seconds);
  if (r.errors > 0)
    std::exit(1);
  return figure_of(std::move(r.took_ms), r.seconds, proxy.cpu_seconds() - cpu);
}

endpoint_options options_for(std::uint16_t port) {
  endpoint_options o;
  o.name = "up";
  o.kind = endpoint_kind::openai;
  o.model = "up";
  o.base_url = fmt::format("http://127.0.0.1:{}/v1", port);
  o.concurrent = 64;
  return o;
}

/// The endpoint `llm:up`, within a troupe.
class endpoint_rig {
public:
  explicit endpoint_rig(std::uint16_t port)
    : rig_(folder_.path() / "t.db", {agent_named("bench_asks")}),
      timer_(spawn_timer(rig_.system(), rig_.env().clock, rig_.env().events)) {
    auto options = options_for(port);
    auto client = std::make_shared<net::http_client>();
    auto backend = make_model_backend(rig_.system(), rig_.env(), timer_, options, client);
    if (!backend)
      std::exit(1);
    endpoint_ = start_llm_endpoint(rig_.system(),
                                   {rig_.env(), timer_, options, std::move(*backend)});
  }
  ~endpoint_rig() {
    for (const auto& one : {endpoint_, timer_})
      caf::anon_send_exit(one, caf::exit_reason::user_shutdown);
  }

  figure requests(int concurrency, double seconds) {
    return measured(seconds, [&](load& l, double s) {
      return l.run(concurrency, s, [&](load::clock::time_point) {
        caf::anon_send(rig_.system().spawn<caller>(endpoint_, std::ref(l)), bench_messages::begin{});
      });
    });
  }

  figure invocations(int concurrency, double seconds) {
    return measured(seconds, [&](load& l, double s) {
      return l.run(concurrency, s, [&](load::clock::time_point begun) { invoke(l, begun); });
    });
  }

private:
  static agent_options agent_named(const char* name) {
    agent_options o;
    o.name = name;
    return o;
  }

  template <class Run>
  figure measured(double seconds, Run run) {
    load l;
    run(l, seconds / 10);
    auto cpu = bench::cpu_seconds();
    auto took = run(l, seconds);
    return figure_of(std::move(took), seconds, bench::cpu_seconds() - cpu);
  }

  void invoke(load& l, load::clock::time_point begun) {
    rig_.invoke("bench_asks", "1", [this, &l, begun](bool ok) {
      if (l.ended(begun, ok))
        invoke(l, load::clock::now());
    });
  }

  bench::scratch folder_;
  bench::rig rig_;
  caf::actor timer_;
  caf::actor endpoint_;
};

template <class Measure>
figure median_of(int runs, Measure measure) {
  std::vector<figure> all;
  for (int i = 0; i < runs; ++i)
    all.push_back(bench::in_fresh_process(measure));
  std::sort(all.begin(), all.end(),
            [](const figure& a, const figure& b) { return a.p50_ms < b.p50_ms; });
  return all[all.size() / 2];
}

void print(const char* path, int concurrency, const figure& f, const figure& curl,
           const figure& nginx) {
  fmt::print("{{\"bench\":\"models\",\"path\":\"{}\",\"concurrency\":{},\"requests_per_s\":{:.0f},"
             "\"p50_ms\":{:.3f},\"p99_ms\":{:.3f},\"added_p50_us\":{:.0f},\"cpu_us\":{:.1f},"
             "\"cpu_of_nginx\":{:.2f}}}\n",
             path, concurrency, f.per_s, f.p50_ms, f.p99_ms, (f.p50_ms - curl.p50_ms) * 1'000,
             f.cpu_us, f.cpu_us / nginx.cpu_us);
  std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
  double seconds = 10;
  int runs = 5;
  std::vector<int> concurrency{1, 16, 64};
  CLI::App app{"the path to a model against libcurl alone and nginx as a proxy"};
  app.add_option("--seconds", seconds, "length of a run");
  app.add_option("--runs", runs, "fresh runs of each; the median is reported");
  app.add_option("--concurrency", concurrency, "calls at once")->delimiter(',');
  CLI11_PARSE(app, argc, argv);
  auto upstream = bench::nginx::answering(answer);
  auto proxy = bench::nginx::in_front_of(upstream.port());
  for (auto c : concurrency) {
    auto curl = median_of(runs, [&] { return with_curl(upstream.port(), c, seconds); });
    auto nginx = median_of(runs, [&] { return with_nginx(proxy, c, seconds); });
    auto off = median_of(runs, [&] { return endpoint_rig{upstream.port()}.requests(c, seconds); });
    auto on = median_of(runs, [&] { return endpoint_rig{upstream.port()}.invocations(c, seconds); });
    print("libcurl", c, curl, curl, nginx);
    print("nginx", c, nginx, curl, nginx);
    print("endpoint", c, off, curl, nginx);
    print("endpoint, journal on", c, on, curl, nginx);
  }
}
