// Fault 20: snapshots that are gone.
#include "tests/kit/faulty_disk.hpp"
#include "tests/sim/fault_ground.hpp"

#include <sqlite3.h>

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

// What stands in the blob table, taken out and put back between two lives.
class blobs_of {
public:
  explicit blobs_of(const std::filesystem::path& file) {
    REQUIRE(sqlite3_open(file.c_str(), &db_) == SQLITE_OK);
  }
  ~blobs_of() { sqlite3_close(db_); }
  void run(const char* sql) {
    char* why = nullptr;
    auto code = sqlite3_exec(db_, sql, nullptr, nullptr, &why);
    INFO(sql << ": " << (why == nullptr ? "" : why));
    REQUIRE(code == SQLITE_OK);
  }

private:
  sqlite3* db_ = nullptr;
};

} // namespace

TEST_CASE("fault 20, snapshot lost, log intact: it waits for its snapshot, and the log is not lost",
          "[fault]") {
  // A checkpoint that is large stands in the blob table, apart from the log that names it.
  play("checkpoints", [](order in) -> task<receipt> {
    auto paid = co_await tool("charge").arg("round", in.amount).call<std::string>();
    if (in.amount < 3) {
      ++in.amount;
      in.id = std::string(20'000, static_cast<char>('a' + in.amount));
      co_return continue_as(in);
    }
    (void)co_await signal<raw_json>("go");
    auto posted = co_await tool("post").call<std::string>();
    receipt out;
    out.id = in.id.substr(0, 1);
    out.steps = paid && posted ? in.amount : 0;
    co_return out;
  });
  kit::world w;
  auto disk = kit::faulty_disk::under(w, {}, kit::disk_kind::sqlite);
  std::string id;
  {
    kit::stage first{w, cast_of({"checkpoints"})};
    auto a = first.invoke("checkpoints", one_order, "k");
    first.run_until([&] { return w.total("tool:charge") == 3; });
    first.run(1min);
    REQUIRE(a->accepted);
    id = a->id;
  }
  blobs_of{disk->file()}.run("CREATE TABLE kept AS SELECT * FROM blob; DELETE FROM blob");
  {
    kit::stage second{w, cast_of({"checkpoints"})};
    REQUIRE(signal_it(second, id, "go"));
    CHECK(reaches(second, id, store::status::paused, 1min));
    CHECK(said(second.trace(), {"invocation.paused", "corrupted", "journal row"}));
    CHECK(w.total("tool:post") == 0);
  }
  blobs_of{disk->file()}.run("INSERT INTO blob SELECT * FROM kept; DROP TABLE kept");

  kit::stage third{w, cast_of({"checkpoints"})};
  auto again = third.invoke("checkpoints", one_order, "k");
  third.run_until([&] { return again->ended; }, 1min);

  REQUIRE(again->state == store::status::completed);
  CHECK(again->id == id);
  CHECK(receipt_of(*again).steps == 3);
  CHECK(receipt_of(*again).id == "d");
  CHECK(w.effects["tool:charge"].size() == 3);
  CHECK(w.total("tool:post") == 1);
}
