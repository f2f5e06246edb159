#!/usr/bin/env bash
# Builds and runs all tests: the release build under gcc, then the sanitizers under clang. Arguments go to ctest.
#     tests/run.sh [-R name ...]
set -euo pipefail
cd "$(dirname "$0")/.."
cmake=/usr/bin/cmake ctest=/usr/bin/ctest
[ -x $cmake ] || cmake=cmake ctest=ctest
clang=$(command -v clang-19 || command -v clang || true)

build() { # NAME COMPILER PRESET
    CC=$2 $cmake --preset "$3" -B "build/$1" >"build/$1.log" 2>&1 || { cat "build/$1.log"; return 1; }
    $cmake --build "build/$1" --parallel "$(nproc)" >>"build/$1.log" 2>&1 || { grep -aE 'error|warning|FAILED' "build/$1.log" | head -40; return 1; }
}
mkdir -p build
echo "release, gcc"
build release gcc release
$ctest --test-dir build/release --output-on-failure --parallel "$(nproc)" "$@"
if [ -n "$clang" ]; then
    echo "AddressSanitizer and UBSan, clang"
    build asan "$clang" asan
    $ctest --test-dir build/asan --output-on-failure --parallel "$(nproc)" "$@"
fi
