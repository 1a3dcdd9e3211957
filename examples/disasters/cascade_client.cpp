// cascade_client: callers who come at a steady rate, whatever becomes of those before them.
//
//   cascade_client --base SERVICE ..                    a pool of ten workers, as people write it
//   cascade_client --base SERVICE --server TROUPE ..    the same jobs, asked of troupe
//
// A caller waits for `--patience-ms`; what is answered later, or not at all, has failed. Latencies
// are from the moment when the caller came, so that a queue is part of them.

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace json = boost::json;
using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct options {
  std::string base;
  std::string server;
  std::size_t jobs = 12'000;
  double rate = 400;           ///< callers a second
  unsigned pool = 10;          ///< workers of the naive one
  unsigned callers = 512;      ///< who can wait for troupe at the same time
  long timeout_ms = 600;       ///< of the naive one's requests
  long patience_ms = 1'000;
};

struct job {
  std::size_t no = 0;
  clock::time_point came;

  /// Every second one asks for the customer, who is at the service that hangs.
  bool affected() const { return no % 2 == 1; }
};

struct outcome {
  bool ok = false;
  bool degraded = false;
  milliseconds took{0};
};

/// One connection.
class http {
public:
  struct response {
    long status = 0; ///< 0: no answer in time
    std::string body;
    bool ok() const { return status == 200; }
  };

  response send(const std::string& url, const std::string* body, long timeout_ms,
                const curl_slist* headers = nullptr) {
    response r;
    auto* c = curl_.get();
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, url.c_str());
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, std::max(timeout_ms, 1L));
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, &take);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &r.body);
    if (headers != nullptr)
      curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    if (body != nullptr)
      curl_easy_setopt(c, CURLOPT_POSTFIELDS, body->c_str());
    if (curl_easy_perform(c) == CURLE_OK)
      curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &r.status);
    return r;
  }

private:
  struct cleanup {
    void operator()(CURL* c) const { curl_easy_cleanup(c); }
  };
  static std::size_t take(char* data, std::size_t, std::size_t n, void* to) {
    static_cast<std::string*>(to)->append(data, n);
    return n;
  }
  std::unique_ptr<CURL, cleanup> curl_{curl_easy_init()};
};

/// An agent of the naive pool: the order, then, if it is needed, the customer.
bool answer_naively(http& to, const options& o, const job& j) {
  if (!to.send(fmt::format("{}/orders/{}", o.base, j.no), nullptr, o.timeout_ms).ok())
    return false;
  return !j.affected()
         || to.send(fmt::format("{}/customers/{}", o.base, j.no), nullptr, o.timeout_ms).ok();
}

outcome ask_troupe(http& to, const options& o, const curl_slist* headers, const job& j) {
  outcome out;
  auto body = fmt::format(R"({{"order":"{}","customer":"{}"}})", j.no,
                          j.affected() ? std::to_string(j.no) : "");
  auto gone = std::chrono::duration_cast<milliseconds>(clock::now() - j.came).count();
  auto r = to.send(o.server + "/v1/agents/support/invocations", &body, o.patience_ms - gone,
                   headers);
  if (!r.ok())
    return out;
  auto said = json::parse(r.body).as_object();
  out.ok = said.at("status") == "completed";
  out.degraded = out.ok && said.at("result").as_object().at("degraded").as_bool();
  return out;
}

class crowd {
public:
  explicit crowd(const options& o) : options_(o), outcomes_(o.jobs), begun_(clock::now()) {}

  void run() {
    std::vector<std::thread> workers;
    for (unsigned i = 0; i < (options_.server.empty() ? options_.pool : options_.callers); ++i)
      workers.emplace_back([this] { work(); });
    for (auto& w : workers)
      w.join();
  }

  void print() const {
    std::vector<milliseconds> unaffected;
    std::size_t ok = 0;
    std::size_t degraded = 0;
    for (std::size_t i = 0; i < outcomes_.size(); ++i) {
      ok += outcomes_[i].ok ? 1 : 0;
      degraded += outcomes_[i].degraded ? 1 : 0;
      if (!job{i, {}}.affected())
        unaffected.push_back(outcomes_[i].took);
    }
    std::sort(unaffected.begin(), unaffected.end());
    fmt::print("{{\"jobs\":{},\"ok\":{},\"degraded\":{},\"p50_ms\":{},\"p99_ms\":{}}}\n",
               outcomes_.size(), ok, degraded, unaffected[unaffected.size() / 2].count(),
               unaffected[unaffected.size() * 99 / 100].count());
  }

private:
  void work() {
    http to;
    auto* headers = curl_slist_append(nullptr, "Content-Type: application/json");
    for (auto n = next_++; n < options_.jobs; n = next_++) {
      job j{n, begun_ + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>{
                          static_cast<double>(n) / options_.rate})};
      std::this_thread::sleep_until(j.came);
      auto& out = outcomes_[n];
      if (clock::now() - j.came < milliseconds{options_.patience_ms}) {
        if (options_.server.empty())
          out.ok = answer_naively(to, options_, j);
        else
          out = ask_troupe(to, options_, headers, j);
      }
      out.took = std::chrono::duration_cast<milliseconds>(clock::now() - j.came);
      out.ok = out.ok && out.took.count() <= options_.patience_ms;
    }
    curl_slist_free_all(headers);
  }

  const options& options_;
  std::vector<outcome> outcomes_;
  clock::time_point begun_;
  std::atomic<std::size_t> next_{0};
};

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"Callers at a steady rate, and how many of them were served"};
  options o;
  app.add_option("--base", o.base, "URL of disaster_services")->required();
  app.add_option("--server", o.server, "URL of troupe; without it: a pool of its own");
  app.add_option("--jobs", o.jobs, "callers in all");
  app.add_option("--rate", o.rate, "callers a second");
  app.add_option("--patience-ms", o.patience_ms, "how long each of them waits");
  app.add_option("--timeout-ms", o.timeout_ms, "of a request of the naive pool");
  CLI11_PARSE(app, argc, argv);

  curl_global_init(CURL_GLOBAL_DEFAULT);
  crowd all{o};
  all.run();
  all.print();
  return 0;
}
