#pragma once
// The command line of troupe, for a binary of one's own:
//
//     #include "runtime/bin/main.hpp"
//     int main(int argc, char** argv) { return troupe::main(argc, argv); }
//
// linked with `troupe::cli` and the sources of one's agents. It does all that `troupe` does, with
// these agents built in, so that a topology needs no plugin.

namespace troupe {

/// @returns the exit code, see README.md in this folder
int main(int argc, char** argv);

} // namespace troupe
