#include "tests/runtime/store/ground.hpp"
#include "tests/support/catch.hpp"

#include <utility>

using namespace troupe;
using namespace troupe::store;
using namespace troupe::store::test;

TEST_CASE("a commit that fails keeps nothing, and the next one works", "[store]") {
  for (auto where : {boundary::before_write, boundary::before_sync, boundary::before_ack}) {
    auto disk = std::make_shared<memory_disk>();
    memory_store aut{disk, 1};
    auto failed = false; // shared with the plan, which the disk copies
    disk->plan([where, &failed](boundary b, std::uint64_t) {
      return b == where && !std::exchange(failed, true) ? fault::fail : fault::none;
    });

    CHECK(commit(aut, row_unit(1, 1)).error().code == errc::store_failed);
    CHECK(disk->rows() == 0);

    CHECK(commit(aut, row_unit(1, 1)));
    CHECK(disk->rows() == 1);
    CHECK(disk->commits() == 1);
  }
}

TEST_CASE("a crash before the sync loses the commit, one before the answer keeps it", "[store]") {
  for (auto where : {boundary::before_write, boundary::before_sync, boundary::before_ack}) {
    auto disk = std::make_shared<memory_disk>();
    memory_store aut{disk, 1};
    REQUIRE(commit(aut, row_unit(1, 1)));
    disk->plan([where](boundary b, std::uint64_t) {
      return b == where ? fault::crash : fault::none;
    });

    CHECK(commit(aut, row_unit(2, 1)).error().code == errc::store_failed);
    CHECK(disk->crashed());
    CHECK(aut.load(1).error().code == errc::store_failed);
    CHECK(commit(aut).error().code == errc::store_failed);

    disk->plan({});
    memory_store next{disk, 1};
    CHECK_FALSE(disk->crashed());
    CHECK(next.load(1).value().size() == (where == boundary::before_ack ? 2 : 1));
    CHECK(aut.load(1).error().code == errc::store_failed);
  }
}

TEST_CASE("a clone of a disk goes its own way", "[store]") {
  auto disk = std::make_shared<memory_disk>();
  memory_store aut{disk, 1};
  REQUIRE(commit(aut, row_unit(1, 1)));

  auto copy = disk->clone();
  memory_store other{copy, 2};
  REQUIRE(commit(other, row_unit(2, 1)));

  CHECK(other.tag() == aut.tag());
  CHECK(copy->rows() == 2);
  CHECK(disk->rows() == 1);
}

TEST_CASE("boundaries are counted, so that a sweep can die at each", "[store]") {
  auto disk = std::make_shared<memory_disk>();
  memory_store aut{disk, 1};
  REQUIRE(commit(aut, row_unit(1, 1)));
  REQUIRE(commit(aut, row_unit(2, 1)));

  CHECK(disk->boundaries() == 6);
  disk->crash();
  CHECK(commit(aut).error().code == errc::store_failed);
  CHECK(disk->boundaries() == 6);
}
