// Runs a fuzz target without libFuzzer: DRIVER FOLDER [ROUNDS] feeds it each file of its corpus, and
// ROUNDS mutations of each, always the same ones. So the corpora are regression tests for any
// compiler.

#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

namespace {

using bytes = std::vector<std::uint8_t>;

bytes read_file(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

// One to four changes: a bit flips, a byte goes, a piece is doubled, another input's tail follows.
bytes mutate(bytes b, const bytes& other, std::mt19937_64& random) {
  auto below = [&](std::size_t n) { return static_cast<std::ptrdiff_t>(random() % n); };
  for (auto changes = 1 + below(4); changes > 0 && !b.empty(); --changes) {
    auto at = b.begin() + below(b.size());
    switch (below(4)) {
      case 0:
        *at ^= static_cast<std::uint8_t>(1U << below(8));
        break;
      case 1:
        b.erase(at);
        break;
      case 2: {
        bytes piece{at, at + std::min<std::ptrdiff_t>(b.end() - at, 1 + below(16))};
        b.insert(b.begin() + below(b.size()), piece.begin(), piece.end());
        break;
      }
      default:
        b.erase(at, b.end());
        b.insert(b.end(), other.begin() + below(other.size() + 1), other.end());
    }
  }
  return b;
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER [ROUNDS]\n", argv[0]);
    return 2;
  }
  std::vector<std::filesystem::path> files;
  std::error_code unreadable;
  for (const auto& e : std::filesystem::directory_iterator{argv[1], unreadable})
    files.push_back(e.path());
  if (unreadable || files.empty()) {
    std::fprintf(stderr, "%s: no corpus there\n", argv[1]);
    return 2;
  }
  std::sort(files.begin(), files.end());
  std::vector<bytes> corpus;
  for (const auto& f : files)
    corpus.push_back(read_file(f));

  auto rounds = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0;
  std::size_t runs = 0;
  for (std::size_t i = 0; i < corpus.size(); ++i) {
    LLVMFuzzerTestOneInput(corpus[i].data(), corpus[i].size());
    ++runs;
    std::mt19937_64 random{i};
    for (unsigned long n = 0; n < rounds; ++n, ++runs) {
      auto input = mutate(corpus[i], corpus[random() % corpus.size()], random);
      LLVMFuzzerTestOneInput(input.data(), input.size());
    }
  }
  std::printf("%zu inputs from %zu files of %s\n", runs, files.size(), argv[1]);
}
