#!/bin/sh
# On a machine with a GPU: builds, runs every test on it, under compute-sanitizer too, trains the same on CPU and GPU, and times everything
# beside PyTorch. One table comes out: OUT/gpu.md.
#   sh bench/gpu.sh [--out DIR] [--data DIR] [--minilm DIR] [--built DIR] [--quick]
# --data (or TOWPATH_DATA): the collections; --minilm: all-MiniLM-L6-v2 with its tokenizer; --built: a build folder made elsewhere with
# -DTOWPATH_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=…, so that nothing is compiled here. PYTHON names a python with torch, transformers and peft.
set -eu
cd "$(dirname "$0")/.."
out=build/gpu-results data=${TOWPATH_DATA-} minilm= built= quick=
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$2; shift 2 ;;
    --data) data=$2; shift 2 ;;
    --minilm) minilm=$2; shift 2 ;;
    --built) built=$2; shift 2 ;;
    --quick) quick=1; shift ;;
    *) sed -n '2,7s/^# //p' bench/gpu.sh; exit 2 ;;
  esac
done
python=${PYTHON-python3}
stop() { echo "bench/gpu.sh: $*" >&2; exit 1; }
command -v nvidia-smi > /dev/null || stop "there is no nvidia-smi: this wants a machine with an NVIDIA GPU and its driver"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || stop "the driver answers nothing"
mkdir -p "$out"
out=$(cd "$out" && pwd)

if [ -z "$built" ]; then
  command -v nvcc > /dev/null || stop "there is no nvcc: install the CUDA toolkit, or name a build made elsewhere with --built"
  built=build/gpu
  . cmake/jobs.sh
  cmake -S . -B $built -DCMAKE_BUILD_TYPE=Release -DTOWPATH_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=native -DTOWPATH_TESTS=ON -DTOWPATH_BENCH=ON -DTOWPATH_EXAMPLES=ON \
    "-DTOWPATH_EXAMPLE_SHAPES=world::World;towpath::MiniLM" > "$out/configure.log" || { cat "$out/configure.log"; exit 1; }
  cmake --build $built -j "$jobs" --target gpu bench_compare_gpu 02_finetune
fi
built=$(cd "$built" && pwd)
gpu=$built/tests/gpu
failed=
echo "== tests on the GPU"
mkdir -p "$out/scratch"
(cd "$out/scratch" && "$gpu" --no-intro) > "$out/tests.log" 2>&1 || failed="$failed tests"
tail -n 4 "$out/tests.log"
if command -v compute-sanitizer > /dev/null; then
  echo "== the same under compute-sanitizer"
  for tool in memcheck racecheck; do
    (cd "$out/scratch" && timeout 900 compute-sanitizer --tool $tool --error-exitcode 9 "$gpu" --no-intro -tce="*frozen states*") > "$out/$tool.log" 2>&1 || failed="$failed $tool"
    grep -h "ERROR SUMMARY\|RACECHECK SUMMARY" "$out/$tool.log" || tail -n 3 "$out/$tool.log"
  done
else
  echo "compute-sanitizer is not here: skipped"
fi

echo "== 02_finetune, the same on CPU and GPU"
train="$built/examples/02_finetune --quiet --seed 1"
if [ -n "$data" ] && [ -n "$minilm" ]; then
  queries=2048
  [ -z "$quick" ] || queries=512
  train="$train --model $minilm --collection $data/openstax-glossary --method lora --epochs 1 --train-queries $queries --passage-length 64 --query-length 32"
fi
for device in cpu cuda; do
  $train --device $device --json "$out/finetune-$device.json" > "$out/finetune-$device.log" 2>&1 || { failed="$failed 02_finetune-$device"; tail -n 3 "$out/finetune-$device.log"; }
done
"$python" - "$out" << 'END' || failed="$failed comparison"
import json, sys
cpu, gpu = (json.load(open(f"{sys.argv[1]}/finetune-{d}.json")) for d in ("cpu", "cuda"))
apart = [abs(a - b) / abs(a) for a, b in zip(cpu["losses"], gpu["losses"])]
metric = abs(cpu["tuned"]["nDCG@10"] - gpu["tuned"]["nDCG@10"])
print(f"losses of {len(apart)} steps: at most {max(apart):.1e} apart, {max(apart[:100]):.1e} in the first hundred; nDCG@10 {cpu['tuned']['nDCG@10']:.4f} on the CPU, "
      f"{gpu['tuned']['nDCG@10']:.4f} on the GPU")
sys.exit(metric > 0.005)
END

if [ -n "$data" ] && [ -n "$minilm" ]; then
  echo "== speed and memory beside PyTorch"
  few=
  [ -z "$quick" ] || few="--shapes minilm,bert-base --methods encode,lora,full --seconds 0.5 --rounds 3"
  "$python" bench/compare/gpu.py --program "$built/bench/bench_compare_gpu" --data "$data" --minilm "$minilm" --out "$out" $few || failed="$failed speed"
else
  echo "no --data and --minilm: nothing was timed beside PyTorch"
fi
[ -z "$failed" ] || stop "failed:$failed (logs in $out)"
echo "all of it in $out"
