#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each for some seconds, as many at once as there are cores; fails if one finds anything.
#     tests/fuzz/run.sh [SECONDS [TARGET ...]]      60 seconds, all: parse csv npy npz idx safetensors ir
# Inputs that reach new code go to build/fuzz/corpus/TARGET, what crashed beside them as crash-*; what is kept lies in tests/fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(parse csv npy npz idx safetensors ir)
cmake=/usr/bin/cmake
[ -x $cmake ] || cmake=cmake
clang=$(command -v clang-19 || command -v clang) || { echo "clang is missing: apt-get install $(grep -h clang tests/packages.txt | xargs)"; exit 1; }
build=${NNC_FUZZ_BUILD:-build/fuzz}
mkdir -p "$build"
{ CC=$clang $cmake -S . -B "$build" -G Ninja -DNNC_FUZZ=ON -DNNC_JIT=OFF ${NNC_FUZZ_OPTIONS:-} &&
    $cmake --build "$build" --target "${targets[@]/#/fuzz_}"; } >"$build/build.log" 2>&1 || { tail -40 "$build/build.log"; exit 1; }

fuzz() { # TARGET
    local new=$build/corpus/$1 kept=() words=()
    mkdir -p "$new"
    [ -d "tests/fuzz/corpus/$1" ] && kept+=("tests/fuzz/corpus/$1")
    # programs are the models and the texts of the tests; words are those of the editors' grammars
    [ "$1" = parse ] && kept+=(models tests/golden/check tests/golden/syntax tests/golden/fmt frontend/prelude)
    [ "$1" = parse ] && [ -f "$build/editors/nn.dict" ] && words=("-dict=$build/editors/nn.dict")
    if "$build/tests/fuzz/fuzz_$1" -max_total_time="$seconds" -max_len=8192 -timeout=20 -rss_limit_mb=4096 -verbosity=0 \
        -print_final_stats=1 -artifact_prefix="$new/" "${words[@]}" "$new" "${kept[@]}" >"$build/$1.log" 2>&1; then
        echo "fuzz_$1, $seconds s: nothing in $(sed -n 's/stat::number_of_executed_units: *//p' "$build/$1.log") inputs"
    else
        tail -60 "$build/$1.log"
        echo "fuzz_$1 found something; the input lies in $new"
        return 1
    fi
}

failed=0 running=0
for target in "${targets[@]}"; do
    if [ $running -ge "$(nproc)" ]; then
        wait -n || failed=1
        running=$((running - 1))
    fi
    fuzz "$target" &
    running=$((running + 1))
done
while [ $running -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
done
exit $failed
