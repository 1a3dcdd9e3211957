#pragma once
// Whether a model's server takes longer to begin its answers than it usually does.
//
// A server that has too much to do answers later before it answers 429: requests queue there. The time
// to the first token is what shows it, since unlike the time of a whole answer it does not depend on
// how much is said.
//
// What is usual is learnt from the answers to requests that went while little was in flight: their
// time is not our doing. So a load that lasts does not become usual by lasting, and a server that has
// become slower for good is believed once no more than one is in flight. Both that and what is now are
// means of several answers, since prompts differ in length. Pure logic, part of an api_key.

namespace troupe {

class first_token {
public:
  /// @param slow_at slow is so many times the usual; 0: nothing ever is
  explicit first_token(double slow_at) : slow_at_(slow_at) {}

  /// An answer has begun after so many seconds.
  ///
  /// @param light little else was in flight, so the load was not ours
  void heard(double seconds, bool light);

  /// Slower than usual, as far as can be told.
  bool slow() const noexcept;

  double usual() const noexcept { return usual_; }
  double now() const noexcept { return now_; }

private:
  double slow_at_;
  unsigned heard_ = 0;
  double usual_ = 0; ///< seconds
  double now_ = 0;
};

} // namespace troupe
