#pragma once
// Numbers for Prometheus, without its headers.
//
// A registry of counter, gauge and histogram families. A series (one family with one set of label
// values) is found once and then updated through a handle of one pointer; updates are atomic and
// may come from any thread. Nothing that names a single invocation, key or user may be a label:
// past `series_max` sets of values a family puts the rest into one series labelled `other`.
//
//     auto calls = registry.counters("desk_calls_total", "Calls.", {"tool"});
//     auto filed = calls.with({"ticketing"});   // once
//     filed.add();                              // often

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
} // namespace prometheus

namespace troupe {

/// Handles are as small as a pointer, and valid as long as their `metrics`.
class counter {
public:
  explicit counter(prometheus::Counter* series) : series_(series) {}
  void add(double n = 1) const; ///< n >= 0
  double value() const;

private:
  prometheus::Counter* series_;
};

class gauge {
public:
  explicit gauge(prometheus::Gauge* series) : series_(series) {}
  void set(double value) const;
  void add(double n) const;
  double value() const;

private:
  prometheus::Gauge* series_;
};

class histogram {
public:
  explicit histogram(prometheus::Histogram* series) : series_(series) {}
  void observe(double value) const;
  void observe(std::chrono::nanoseconds took) const; ///< in seconds

private:
  prometheus::Histogram* series_;
};

namespace detail {
template <class Series>
class metric_family;
}

/// All series of one name. `with` takes one value for each label, in the order of the names; it
/// costs a lookup under a shared lock, so a hot path keeps what it returns.
template <class Handle, class Series>
class family {
public:
  using label_values = std::initializer_list<std::string_view>;

  explicit family(detail::metric_family<Series>* impl) : impl_(impl) {}
  Handle with(label_values values) const;

private:
  detail::metric_family<Series>* impl_;
};

using counter_family = family<counter, prometheus::Counter>;
using gauge_family = family<gauge, prometheus::Gauge>;
using histogram_family = family<histogram, prometheus::Histogram>;

extern template class family<counter, prometheus::Counter>;
extern template class family<gauge, prometheus::Gauge>;
extern template class family<histogram, prometheus::Histogram>;

/// The registry. Thread-safe. Asking twice for a family gives the same one; asking with another
/// kind or other labels throws `std::logic_error`, because it is a bug.
class metrics {
public:
  using label_names = std::vector<std::string>;

  /// @param series_max sets of label values per family: a scrape stays below a few MB
  explicit metrics(std::size_t series_max = 1'000);
  ~metrics();
  metrics(const metrics&) = delete;
  metrics& operator=(const metrics&) = delete;

  counter_family counters(std::string name, std::string help, label_names labels);
  gauge_family gauges(std::string name, std::string help, label_names labels);
  /// @param bounds upper bounds of the buckets, ascending; +Inf is added
  histogram_family histograms(std::string name, std::string help, label_names labels,
                              std::vector<double> bounds);

  /// Everything in the Prometheus text format 0.0.4; serve it as `content_type`.
  std::string expose() const;
  static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

private:
  struct state;
  std::unique_ptr<state> state_;
};

/// Bucket bounds in seconds, 25 µs to 10 s: a commit, a tool call and a request all fall inside.
std::vector<double> latency_bounds();

} // namespace troupe
