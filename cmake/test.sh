#!/bin/sh
# Installs what is missing, builds the tests and runs them.   sh cmake/test.sh [argument of ctest ...]
set -eu
cd "$(dirname "$0")/.."
sh cmake/setup.sh --install-only

. cmake/jobs.sh
cmake -S . -B build/test -DCMAKE_BUILD_TYPE=Release -DTOWPATH_TESTS=ON -DTOWPATH_EXAMPLES=ON -DTOWPATH_BENCH=OFF \
  -DTOWPATH_EXAMPLE_SHAPES=world::World \
  -DTOWPATH_WERROR="${CI:+ON}"
cmake --build build/test -j "$jobs"
exec ctest --test-dir build/test -j "$jobs" --output-on-failure --no-tests=error "$@"
