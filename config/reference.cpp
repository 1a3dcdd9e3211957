#include "config/reference.hpp"

#include "config/tables.hpp"

namespace troupe::config {

namespace {

/// What may stand there, with a choice's words.
template <class T>
std::string type_of(const field<T>& f) {
  if (!f.words)
    return std::string{f.type};
  std::string text;
  for (const auto& word : f.words())
    text.append(text.empty() ? "`\"" : ", `\"").append(word).append("\"`");
  return text;
}

template <class T>
void add_section(std::string& to, std::string_view heading, const fields<T>& known) {
  const T fresh{};
  to.append("\n#### ").append(heading).append(
    "\n\n| key | value | default | meaning |\n|---|---|---|---|\n");
  for (const auto& f : known) {
    auto value = f.doc.find("required") == f.doc.npos ? f.show(fresh) : std::string{};
    to.append("| `").append(f.key).append("` | ").append(type_of(f)).append(" | ");
    to.append(value.empty() ? "" : "`" + value + "`").append(" | ").append(f.doc).append(" |\n");
  }
}

} // namespace

std::string reference_markdown() {
  std::string text;
  add_section(text, "`[troupe]`", troupe_fields());
  add_section(text, "`[store]`", store_fields());
  add_section(text, "`[gateway]`", gateway_fields());
  add_section(text, "`[dispatcher]`", dispatcher_fields());
  add_section(text, "`[agents.NAME]`", agent_fields());
  add_section(text, "`[agents.NAME]` with `class = \"chat\"`", chat_fields());
  add_section(text, "`[tools.NAME]`", tool_fields());
  add_section(text, "`[tools.NAME]` with `kind = \"function\"`", tool_fields(tool_kind::function));
  add_section(text, "`[tools.NAME]` with `kind = \"http\"`", tool_fields(tool_kind::http));
  add_section(text, "`[tools.NAME]` with `kind = \"command\"`", tool_fields(tool_kind::command));
  add_section(text, "`[mcp.NAME]`", mcp_fields());
  add_section(text, "`[mcp.NAME.defaults]` and `[mcp.NAME.tools.TOOL]`, beside those of `[tools.NAME]`",
              tool_fields(tool_kind::mcp));
  add_section(text, "`[models.NAME]`", model_fields());
  add_section(text, "`[budgets.NAME]`", budget_fields());
  add_section(text, "`[tenants.NAME]`", tenant_fields());
  add_section(text, "`[supervisors.NAME]`", supervisor_fields());
  add_section(text, "An item of `children`, as a table", child_fields());
  return text;
}

} // namespace troupe::config
