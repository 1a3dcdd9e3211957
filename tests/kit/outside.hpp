#pragma once
// What doubles need of the stage that they stand on, and the doubles as backends. Private to this
// folder.

#include "actors/llm/model_backend.hpp"
#include "actors/tool/tool_backend.hpp"
#include "tests/kit/doubles.hpp"
#include "tests/kit/world.hpp"

#include <functional>
#include <memory>

namespace troupe::kit {

/// One life of a stage, as its outside sees it.
struct stage_outside {
  world& of;
  /// In virtual time; forgotten when the life ends.
  std::function<void(std::chrono::milliseconds, std::function<void()>)> later;
  /// The actor of this service dies.
  std::function<void(const std::string& service)> kill;
};

/// @param service `tool:chat`
tool_parts make_tool_double(const scripted_tool& plan, std::string service, bool reconciles,
                            std::shared_ptr<stage_outside> outside);
std::shared_ptr<model_backend> make_model_double(const scripted_llm& plan, std::string service,
                                                 std::shared_ptr<stage_outside> outside);
std::shared_ptr<net::http_transport> make_http_double(const scripted_http& plan,
                                                      std::shared_ptr<stage_outside> outside);

} // namespace troupe::kit
