#include "runtime/telemetry/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <type_traits>
#include <unordered_map>

namespace troupe {
namespace {

struct text_hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};

} // namespace

namespace detail {

class any_family {
public:
  virtual ~any_family() = default;
  std::vector<std::string> labels;
};

template <class Series>
class metric_family final : public any_family {
public:
  using label_values = std::initializer_list<std::string_view>;

  metric_family(prometheus::Family<Series>& series, std::vector<double> bounds, std::size_t max)
    : all_(series), bounds_(std::move(bounds)), series_max_(max) {}

  Series* find(label_values values) {
    if (values.size() != labels.size())
      throw std::logic_error("metric " + all_.GetName() + ": wrong number of label values");
    thread_local std::string key;
    key.clear();
    for (auto value : values) {
      key += value;
      key += '\x1f';
    }
    {
      std::shared_lock lock{mutex_};
      if (auto found = series_.find(std::string_view{key}); found != series_.end())
        return found->second;
    }
    return add(key, values);
  }

private:
  Series* add(const std::string& key, label_values values) {
    std::unique_lock lock{mutex_};
    if (auto found = series_.find(std::string_view{key}); found != series_.end())
      return found->second;
    if (series_.size() >= series_max_)
      return other();
    prometheus::Labels named;
    auto value = values.begin();
    for (const auto& label : labels)
      named.emplace(label, std::string{*value++});
    return series_.emplace(key, &make(named)).first->second;
  }

  /// The series for all that came too late; the registry gives the same one each time.
  Series* other() {
    prometheus::Labels named;
    for (const auto& label : labels)
      named.emplace(label, "other");
    return &make(named);
  }

  Series& make(const prometheus::Labels& named) {
    if constexpr (std::is_same_v<Series, prometheus::Histogram>)
      return all_.Add(named, bounds_);
    else
      return all_.Add(named);
  }

  prometheus::Family<Series>& all_;
  std::vector<double> bounds_;
  std::size_t series_max_;
  std::shared_mutex mutex_;
  std::unordered_map<std::string, Series*, text_hash, std::equal_to<>> series_;
};

} // namespace detail

void counter::add(double n) const {
  series_->Increment(n);
}

double counter::value() const {
  return series_->Value();
}

void gauge::set(double value) const {
  series_->Set(value);
}

void gauge::add(double n) const {
  series_->Increment(n);
}

double gauge::value() const {
  return series_->Value();
}

void histogram::observe(double value) const {
  series_->Observe(value);
}

void histogram::observe(std::chrono::nanoseconds took) const {
  series_->Observe(std::chrono::duration<double>(took).count());
}

template <class Handle, class Series>
Handle family<Handle, Series>::with(label_values values) const {
  return Handle{impl_->find(values)};
}

template class family<counter, prometheus::Counter>;
template class family<gauge, prometheus::Gauge>;
template class family<histogram, prometheus::Histogram>;

struct metrics::state {
  std::size_t series_max;
  prometheus::Registry registry;
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<detail::any_family>> families;

  template <class Series, class Builder>
  detail::metric_family<Series>* get(Builder builder, std::string name, std::string help,
                                     label_names labels, std::vector<double> bounds = {}) {
    std::lock_guard lock{mutex};
    auto& slot = families[name];
    if (!slot) {
      auto& series = builder.Name(name).Help(help).Register(registry);
      slot = std::make_unique<detail::metric_family<Series>>(series, std::move(bounds), series_max);
      slot->labels = std::move(labels);
    } else if (slot->labels != labels) {
      throw std::logic_error("metric " + name + " is there with other labels");
    }
    auto* same = dynamic_cast<detail::metric_family<Series>*>(slot.get());
    if (same == nullptr)
      throw std::logic_error("metric " + name + " is there as another kind");
    return same;
  }
};

metrics::metrics(std::size_t series_max) : state_(std::make_unique<state>()) {
  state_->series_max = series_max;
}

metrics::~metrics() = default;

counter_family metrics::counters(std::string name, std::string help, label_names labels) {
  return counter_family{state_->get<prometheus::Counter>(
    prometheus::BuildCounter(), std::move(name), std::move(help), std::move(labels))};
}

gauge_family metrics::gauges(std::string name, std::string help, label_names labels) {
  return gauge_family{state_->get<prometheus::Gauge>(prometheus::BuildGauge(), std::move(name),
                                                     std::move(help), std::move(labels))};
}

histogram_family metrics::histograms(std::string name, std::string help, label_names labels,
                                     std::vector<double> bounds) {
  return histogram_family{state_->get<prometheus::Histogram>(prometheus::BuildHistogram(),
                                                             std::move(name), std::move(help),
                                                             std::move(labels), std::move(bounds))};
}

std::string metrics::expose() const {
  return prometheus::TextSerializer{}.Serialize(state_->registry.Collect());
}

std::vector<double> latency_bounds() {
  return {25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3,
          25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1,    2.5,    5,    10};
}

} // namespace troupe
