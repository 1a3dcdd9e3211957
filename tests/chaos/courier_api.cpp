// The couriers' services as a process of their own, to be killed: `courier_api PORT MEMORY`.
#include "tests/chaos/courier_services.hpp"

#include <cstdlib>

#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 3)
    return 2;
  auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  troupe::test::courier_services api{std::chrono::milliseconds{6}, port, argv[2]};
  pause();
}
