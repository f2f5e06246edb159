#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each for some seconds; fails if one finds anything.
#     tests/fuzz/run.sh [SECONDS [TARGET ...]]      60 seconds, all: parse csv npy npz idx safetensors ir
# New inputs go to build/corpus/TARGET; what crashed to build/corpus/TARGET/crash-*.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(parse csv npy npz idx safetensors ir)
cmake=/usr/bin/cmake
[ -x $cmake ] || cmake=cmake
build=${NNC_FUZZ_BUILD:-build/fuzz}
CC=$(command -v clang-19 || command -v clang) $cmake -S . -B "$build" -G Ninja -DNNC_FUZZ=ON -DNNC_JIT=OFF ${NNC_FUZZ_OPTIONS:-} >/dev/null
$cmake --build "$build" --target "${targets[@]/#/fuzz_}"
failed=0
for target in "${targets[@]}"; do
    new=$build/corpus/$target
    mkdir -p "$new"
    kept=()
    [ -d "tests/fuzz/corpus/$target" ] && kept+=("tests/fuzz/corpus/$target")
    # programs are the models and the texts of the tests; words are those of the editors' grammars
    [ "$target" = parse ] && kept+=(models tests/golden/check tests/golden/syntax tests/golden/fmt frontend/prelude)
    words=()
    [ "$target" = parse ] && [ -f "$build/editors/nn.dict" ] && words=("-dict=$build/editors/nn.dict")
    echo "fuzz_$target, $seconds s"
    "$build/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=4096 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="$new/" "${words[@]}" "$new" "${kept[@]}" || failed=1
done
exit $failed
