#include "actors/flow/tenant_queue.hpp"

#include "tests/support/catch.hpp"

#include <vector>

using namespace troupe;
using journal::invocation_no;

namespace {

std::vector<invocation_no> all_of(tenant_queue& aut) {
  std::vector<invocation_no> out;
  while (!aut.empty())
    out.push_back(aut.pop());
  return out;
}

} // namespace

TEST_CASE("those of one tenant go in the order in which they came") {
  tenant_queue aut;
  for (invocation_no no : {3, 1, 2})
    aut.push(no, "");

  CHECK(aut.size() == 3);
  CHECK(all_of(aut) == std::vector<invocation_no>{3, 1, 2});
}

TEST_CASE("one tenant's many do not make another's one wait for all of them") {
  tenant_queue aut;
  for (invocation_no no = 1; no <= 100; ++no)
    aut.push(no, "noisy");
  CHECK(aut.pop() == 1);

  aut.push(200, "shy");

  CHECK(aut.pop() == 200);
  CHECK(aut.pop() == 2);
}

TEST_CASE("tenants wait by their shares") {
  tenant_queue aut;
  for (invocation_no no = 0; no < 100; ++no) {
    aut.push(no, "big", 3);
    aut.push(1'000 + no, "small", 1);
  }

  int big = 0;
  for (int i = 0; i < 80; ++i)
    big += aut.pop() < 1'000 ? 1 : 0;

  CHECK(big >= 59);
  CHECK(big <= 61);
}

TEST_CASE("a tenant that always has just one in the queue gets no more than its share") {
  tenant_queue aut;
  for (invocation_no no = 1; no <= 50; ++no)
    aut.push(no, "many");
  aut.push(100, "one");
  int one = 0;

  for (int i = 0; i < 40; ++i)
    if (aut.pop() == 100) {
      ++one;
      aut.push(100, "one");
    }

  CHECK(one == 20);
}
