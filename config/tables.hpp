#pragma once
// The tables of keys, one per struct. See fields.hpp.

#include "config/fields.hpp"

namespace troupe::config {

const fields<topology>& troupe_fields();      ///< `[troupe]`
const fields<store_options>& store_fields();
const fields<gateway_options>& gateway_fields();
const fields<dispatcher_options>& dispatcher_fields();
const fields<agent_options>& agent_fields();  ///< those of every class
const fields<agent_options>& chat_fields();   ///< of `class = "chat"` alone
const fields<tool_options>& tool_fields();    ///< those of every kind
const fields<tool_options>& tool_fields(tool_kind kind); ///< those of one kind alone
const fields<endpoint_options>& model_fields();
const fields<budget_options>& budget_fields();
const fields<tenant_options>& tenant_fields();
const fields<mcp_options>& mcp_fields(); ///< but for `defaults` and `tools`
const fields<supervisor_options>& supervisor_fields();
const fields<child_options>& child_fields();  ///< an item of `children` that is a table

} // namespace troupe::config
