// An agent that keeps notes in a folder, through the tools of an MCP server.

#include "runtime/core/agent.hpp"

#include <string>

namespace {

using namespace troupe;

struct note {
  std::string name;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(note, (), (name, text))

/// What `fs.read_text_file` answers: its `structuredContent`.
struct file {
  std::string content;
};
BOOST_DESCRIBE_STRUCT(file, (), (content))

/// Writes a note, and answers with what then stands in the folder.
class notes final : public agent<note, note> {
  task<note> run(note in) override {
    auto folder = co_await tool("fs.list_allowed_directories").call<file>();
    if (!folder)
      co_return std::move(folder).error();
    auto line = folder->content.substr(folder->content.rfind('\n') + 1);
    auto path = line + "/" + in.name;
    auto written = co_await tool("fs.write_file").arg("path", path).arg("content", in.text).call();
    if (!written)
      co_return std::move(written).error();
    auto read = co_await tool("fs.read_text_file").arg("path", path).call<file>();
    if (!read)
      co_return std::move(read).error();
    in.text = read->content;
    co_return std::move(in);
  }
};
TROUPE_AGENT(notes)

} // namespace
