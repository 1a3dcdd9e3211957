#!/bin/sh
# The check finds what it looks for, and lets good code pass.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/runtime/core" "$tree/actors" "$tree/tests/sim"
failures=0

# Each line of stdin, alone in FILE, must be found (or not).
each_line() { # found|clean FILE
  while IFS= read -r line; do
    case $2 in
      *.hpp) printf '%s\n' "$line" ;;
      *) printf 'task<int> f() {\n  %s\n}\n' "$line" ;;
    esac > "$tree/$2"
    if sh "$here/check.sh" "$tree" > "$tree/out"; then got=clean; else got=found; fi
    if [ "$got" != "$1" ]; then
      echo "expected $1, got $got: $line"
      cat "$tree/out"
      failures=$((failures + 1))
    fi
  done
  rm -f "$tree/$2"
}

each_line found runtime/core/a.cpp <<'END'
co_await ask(to, lookup{q});
auto r = co_await ask(to, lookup{.id = 3, .name = "x"});
co_return answer{co_await ask(to)};
answer x{co_await ask(to)};
co_await call({{"id", x}});
co_await run("a", [text] { return text; });
co_await run("a", [t = std::move(text)]() mutable { return t; });
co_await run("a", [=] { return text; });
if (auto r = co_await ask(to, lookup{q}); r) { co_return 1; }
auto x = c ? co_await a() : b;
switch (co_await a()) { case 1: co_return 2; }
auto [a, b] = co_await pair();
auto t = std::chrono::steady_clock::now();
auto t = system_clock::now();
int n = rand();
std::random_device d;
END
each_line clean runtime/core/a.cpp <<'END'
auto q = lookup{.id = 3}; auto r = co_await ask(to, std::move(q));
co_await run("a", [&] { return text; });
co_await run("a", [this, &x] { return lookup{x}; });
co_await sleep(std::chrono::seconds{5});
auto v = co_await llm("fast").ask<verdict>(prompt(in, found.value_or({})));
if (auto r = co_await ask(to)) { auto x = lookup{1}; }
for (int i = 0; i < co_await n(); ++i) { x[i] = lookup{i}; }
auto f = [x] { return lookup{x}; }; co_await run("a", f);
co_await ask(to, lookup{q}); // tidy: allow(co_await) lookup is trivial
auto s = "co_await ask(to, lookup{q})"; // co_await f(x{1}), steady_clock::now()
auto n = operand(3); auto m = g.rand();
co_await g(xs[i], 30'000);
END
each_line found runtime/core/a.hpp <<'END'
#include "actors/x.hpp"
#include "config/x.hpp"
#include <caf/all.hpp>
#include <toml++/toml.h>
END
each_line found actors/a.hpp <<'END'
#include "config/x.hpp"
END
each_line clean actors/a.hpp <<'END'
#include "runtime/core/x.hpp"
END
each_line found tests/sim/a.cpp <<'END'
std::this_thread::sleep_for(1s);
END
each_line clean tests/sim/a.cpp <<'END'
auto t = std::chrono::steady_clock::now();
END

[ "$failures" -eq 0 ]
