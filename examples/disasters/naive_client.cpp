// naive_client: the three jobs as people write them. Nothing in here is a straw man: a pool of
// threads, a timeout on each request, a loop that tries again, a look whether the ticket is there
// before it is filed. It works in every test, until answers come late and requests come together.

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <curl/curl.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

struct options {
  std::string base;
  std::string jobs;
  unsigned workers = 100;
  long timeout_ms = 500;
  int tries = 4;
};

struct response {
  long status = 0; ///< 0: no answer in time
  std::string body;

  bool ok() const { return status >= 200 && status < 300; }
};

/// One worker's connection.
class http {
public:
  explicit http(const options& o) : options_(o) {}

  response get(const std::string& path) { return send(path, nullptr); }
  response post(const std::string& path, const json::object& body) {
    auto text = json::serialize(body);
    return send(path, &text);
  }

private:
  struct cleanup {
    void operator()(CURL* c) const { curl_easy_cleanup(c); }
  };

  static std::size_t take(char* data, std::size_t, std::size_t n, void* to) {
    static_cast<std::string*>(to)->append(data, n);
    return n;
  }

  response send(const std::string& path, const std::string* body) {
    response r;
    auto url = options_.base + path;
    auto* c = curl_.get();
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, url.c_str());
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, options_.timeout_ms);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, &take);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &r.body);
    if (body != nullptr)
      curl_easy_setopt(c, CURLOPT_POSTFIELDS, body->c_str());
    if (curl_easy_perform(c) == CURLE_OK)
      curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &r.status);
    return r;
  }

  const options& options_;
  std::unique_ptr<CURL, cleanup> curl_{curl_easy_init()};
};

/// "If at first you don't succeed": the whole retry logic of many an agent.
response post_until_ok(http& to, const options& o, const std::string& path,
                       const json::object& body) {
  response r;
  for (int i = 0; i < o.tries && !r.ok(); ++i)
    r = to.post(path, body);
  return r;
}

bool post_message(http& to, const options& o, const json::object& alert) {
  json::object body{{"alert", alert.at("id")}, {"text", alert.at("text")}};
  return post_until_ok(to, o, "/messages", body).ok();
}

bool charge_invoice(http& to, const options& o, const json::object& invoice) {
  json::object body{{"invoice", invoice.at("id")}, {"cents", invoice.at("cents")}};
  return post_until_ok(to, o, "/charges", body).ok();
}

/// Looks first, then files: right as long as nobody else does the same at the same time.
bool file_ticket(http& to, const options& o, const json::object& page) {
  std::string incident{page.at("incident").as_string()};
  auto found = to.get("/tickets?incident=" + incident);
  if (!found.ok())
    return false;
  auto known = json::parse(found.body).at("tickets").as_array();
  if (known.empty())
    return post_until_ok(to, o, "/tickets", page).ok();
  std::string ticket{known.front().as_string()};
  json::object body{{"alert", page.at("alert")}};
  return post_until_ok(to, o, "/tickets/" + ticket + "/alerts", body).ok();
}

using job = bool (*)(http&, const options&, const json::object&);

std::vector<json::object> read_jobs(const std::string& file) {
  std::vector<json::object> all;
  std::ifstream in{file};
  for (std::string line; std::getline(in, line);)
    all.push_back(json::parse(line).as_object());
  return all;
}

/// Returns how many the client itself holds to be done.
std::size_t run(const options& o, job what) {
  auto jobs = read_jobs(o.jobs);
  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> done = 0;
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < o.workers; ++i)
    workers.emplace_back([&] {
      http to{o};
      for (auto n = next++; n < jobs.size(); n = next++)
        done += what(to, o, jobs[n]) ? 1 : 0;
    });
  for (auto& w : workers)
    w.join();
  return done;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"The three jobs of the disasters, with a plain retry loop"};
  options o;
  job what = nullptr;
  app.add_option("--base", o.base, "URL of disaster_services")->required();
  app.add_option("--jobs", o.jobs, "a JSON object a line")->required();
  app.add_option("--workers", o.workers, "jobs at a time");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_subcommand("messages", "{id,text}: post each")->callback([&] { what = post_message; });
  app.add_subcommand("charges", "{id,cents}: charge each")->callback([&] { what = charge_invoice; });
  app.add_subcommand("tickets", "{incident,alert}: a ticket for each incident")->callback([&] {
    what = file_ticket;
  });
  CLI11_PARSE(app, argc, argv);

  curl_global_init(CURL_GLOBAL_DEFAULT);
  auto done = run(o, what);
  fmt::print("{} done\n", done);
  return 0;
}
