#pragma once
// A model on a stage that says what a real one once said.
//
//     o.services.push_back(kit::cassette("llm:fast", "refund.cassette"));
//
// The file was written by `record = "refund.cassette"` in a topology (actors/llm/cassette.hpp). A
// request that is not in it fails, and the error names the nearest one that is and what differs. As
// an endpoint would, it asks again where an answer misses its schema. A call that is repeated under
// its key, after a crash, gets what it got before.

#include "actors/llm/llm_options.hpp"
#include "tests/kit/world.hpp"

#include <filesystem>
#include <string>

namespace troupe::kit {

/// @param settings of the endpoint as it was recorded, where its topology gave temperature,
///                 max_tokens or repairs_max
/// A file that cannot be read is the answer to every call.
scripted_service cassette(std::string name, const std::filesystem::path& file,
                          endpoint_options settings = {});

} // namespace troupe::kit
