#pragma once
// What the services of the disasters remember, and how they fail.
//
// They fail by business key and count, never by chance: the first charge of an invoice is booked
// and answered with 500, say. So a run can be repeated, and both clients meet the same world.
// No threads, no clock: who serves this calls it on one thread and keeps the times that it is told.

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace disasters {

using std::chrono::milliseconds;

/// How slow the services are: a sixth of what real ones take.
struct pace {
  milliseconds latency{10};       ///< of an answer that comes in time
  milliseconds late{1'500};       ///< of one that does not: every client has gone by then
  milliseconds replica_lag{1'000}; ///< until a new ticket can be found by its incident
};

/// What to answer, and how long after the request.
struct answer {
  int status = 200;
  std::string body;
  milliseconds after{0};
  milliseconds retry_after{0}; ///< 0: not said
};

/// What a service has received: effects, and for whom.
struct tally {
  std::uint64_t effects = 0;
  std::map<std::string, std::uint64_t, std::less<>> by_key;

  /// Returns how many there are for this key now.
  std::uint64_t count(std::string_view key);
  std::uint64_t duplicates() const { return effects - by_key.size(); }
};

/// Posts messages; knows no keys, so each POST is one more message. While it is in trouble, three
/// posts of each alert are done, and answered when the client has gone.
class chat {
public:
  explicit chat(pace p) : pace_(p) {}

  /// `{"alert","text","ref"}` to `{"id"}`.
  answer post(std::string_view body);
  /// `{"messages":[..]}` with this ref.
  answer find(std::string_view ref) const;
  const tally& counts() const { return counts_; }

private:
  static constexpr std::uint64_t late_posts = 3;

  pace pace_;
  tally counts_;
  std::map<std::string, std::vector<std::string>, std::less<>> by_ref_;
};

/// Books charges; honours `Idempotency-Key`, as payment services do. The first charge of each
/// invoice is booked, and then answered with 500, or too late.
class payments {
public:
  explicit payments(pace p) : pace_(p) {}

  /// `{"invoice","cents"}` to `{"charge"}`. The same key again: the stored answer; 409 while the
  /// first one is not answered yet; 422 for another body.
  answer charge(std::string_view key, std::string_view body, milliseconds now);
  const tally& counts() const { return counts_; }
  std::uint64_t cents() const { return cents_; } ///< booked in all
  /// Of these, for invoices that had been charged already.
  std::uint64_t cents_twice() const { return cents_twice_; }

private:
  struct stored {
    std::string request;
    std::string answer;
    milliseconds busy_until{};
  };

  pace pace_;
  tally counts_;
  std::map<std::string, stored, std::less<>> by_key_;
  std::uint64_t cents_ = 0;
  std::uint64_t cents_twice_ = 0;
};

/// Files tickets for incidents. Tickets are found on a replica, which lags behind.
class tickets {
public:
  explicit tickets(pace p) : pace_(p) {}

  /// `{"tickets":["T-1"]}` of an incident, as far as the replica knows.
  answer find(std::string_view incident, milliseconds now) const;
  /// `{"incident","alert"}` to `{"ticket"}`.
  answer file(std::string_view key, std::string_view body, milliseconds now);
  /// `{"alert"}`: one more alert of a ticket.
  answer attach(std::string_view ticket, std::string_view body);
  const tally& counts() const { return counts_; }
  /// Alerts that stand in a ticket.
  std::uint64_t alerts() const { return alerts_.size(); }

private:
  struct filed {
    std::string ticket;
    milliseconds visible_at{};
  };

  pace pace_;
  tally counts_;
  std::map<std::string, std::vector<filed>, std::less<>> by_incident_;
  std::map<std::string, std::string, std::less<>> by_key_; ///< stored answers
  std::set<std::string, std::less<>> tickets_;
  std::set<std::string, std::less<>> alerts_;
};

/// Knows customers. One look in fifty fails, and for a while (from the first look on) each hangs.
class customers {
public:
  customers(pace p, milliseconds outage_from, milliseconds outage_to, milliseconds hang)
    : pace_(p), from_(outage_from), to_(outage_to), hang_(hang) {}

  /// `{"name"}`
  answer find(std::string_view id, milliseconds now);
  const tally& counts() const { return counts_; }
  std::uint64_t hung() const { return hung_; }

private:
  static constexpr std::uint64_t fails_every = 50;

  pace pace_;
  milliseconds from_;
  milliseconds to_;
  milliseconds hang_;
  milliseconds first_{-1};
  tally counts_;
  std::uint64_t hung_ = 0;
};

/// `{"effects","keys","duplicates","more"}`; `more` is what else the service has counted.
std::string to_json(const tally& t, std::uint64_t more);

} // namespace disasters
