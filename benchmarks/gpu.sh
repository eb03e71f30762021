#!/usr/bin/env bash
# Everything that wants a GPU, in one call of at most eight minutes:
#
#     OUT=results benchmarks/gpu.sh MOCAP
#
# MOCAP: folder of packed motions, for the training images. Measures semtta bench with open, open-image, hmr and hmr2, the operations of
# an epoch (torch.profiler) and the threads, and trains the included estimator on new images. A step that fails or takes too
# long is told in $OUT/summary.txt, and the others still run; the exit status is the number of steps that did not succeed.
#
#     SMALL=1         small sizes, to try it on a CPU       DEVICE=cuda    auto, cpu or cuda
#     PYTHON=python3  with semtta's requirements            LIMIT=480      seconds in all
#     MINUTES=2.5     of training                           IMAGES=4096    to train on
set -uo pipefail
[[ $# -eq 1 && -d $1 ]] || { echo "Usage: [SMALL=1] [OUT=folder] $0 MOCAP (a folder of packed motions)" >&2; exit 2; }
mocap=$(realpath "$1")
root=$(realpath "$(dirname "$0")/..")
OUT=${OUT:-$PWD/gpu-results}
mkdir -p "$OUT"
OUT=$(realpath "$OUT")
PYTHON=${PYTHON:-python3} DEVICE=${DEVICE:-auto} LIMIT=${LIMIT:-480} SMALL=${SMALL:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$root/cli" "$work/semtta_cli"  # the command, without an installation
export PYTHONPATH=$work:$root${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
"$PYTHON" -c "import av, einops, filelock, matplotlib, numba, PIL, platformdirs, pydantic, roma, safetensors, scipy, torch, typer, yaml" ||
    { echo "$PYTHON lacks a requirement of semtta: pip install $root" >&2; exit 2; }

if [[ $SMALL ]]; then
    patience=4 bench=(--quick) images=24 held_out=12 workers=1 training=(--minutes "${MINUTES:-0.1}" --batch 4 --start "$root/semtta/assets/estimator_open-image.safetensors")
else
    workers=$(nproc)
    patience=1 bench=(--rounds 5) images=${IMAGES:-4096} held_out=512 training=(--minutes "${MINUTES:-2.5}")
fi
shard() { echo $((($1 + workers - 1) / workers)); }  # images a file, so that every process has one

failed=0
: >"$OUT/summary.txt" >"$OUT/log.txt"
# step NAME SECONDS COMMAND...: run it for at most so long, and no longer than the whole may take
step() {
    local name=$1 most=$(($2 * patience)) began=$SECONDS left=$((LIMIT - SECONDS)) status=0
    shift 2
    ((most = most < left ? most : left))
    echo "== $name: $*" | tee -a "$OUT/log.txt"
    if ((most > 0)); then
        timeout --kill-after=5 "$most" "$@" 2>&1 | tee -a "$OUT/log.txt" || status=$?
    else
        status=124
    fi
    local said=done
    ((status == 124)) && said="stopped after $most s"
    ((status != 0 && status != 124)) && said="failed ($status)"
    ((status == 0)) || ((failed++))
    printf '%-12s %4d s  %s\n' "$name" $((SECONDS - began)) "$said" | tee -a "$OUT/summary.txt"
}
semtta() { "$PYTHON" -m semtta "$@"; }
export -f semtta
export PYTHON
run=(bash -c 'semtta "$@"' semtta)

cd "$work"
step bench 210 "${run[@]}" bench --estimator open --estimator open-image --estimator hmr --estimator hmr2 --device "$DEVICE" "${bench[@]}" --json "$OUT/bench.json"
step profile 60 bash -c 'semtta "${@:2}" >"$1"' profile "$OUT/profile.txt" bench --profile --device "$DEVICE" ${SMALL:+--quick}
for file in "$root"/benchmarks/test_thread*.py; do
    [[ -f $file ]] || { echo "threads           not here: no benchmarks/test_thread*.py" | tee -a "$OUT/summary.txt"; continue; }
    step threads 60 "$PYTHON" -m pytest -q -p no:cacheprovider --rootdir "$root" "$file" --benchmark-only --benchmark-json "$OUT/threads.json"
done
step images 60 "${run[@]}" synth images --out "$work/train" --mocap "$mocap" --count "$images" --shard "$(shard "$images")" --workers "$workers" --domain wild
step held-out 30 "${run[@]}" synth images --out "$work/held-out" --mocap "$mocap" --count "$held_out" --shard "$(shard "$held_out")" --workers "$workers" --domain wild --split val --no-varied
step training 210 "${run[@]}" train estimator "$work/train" --out "$work/trained" --validation "val=$work/held-out" --device "$DEVICE" "${training[@]}"
for file in estimator.safetensors curve.jsonl; do
    [[ -f $work/trained/$file ]] && cp "$work/trained/$file" "$OUT/"
done
echo "In all $SECONDS s; $failed steps without success. Results: $OUT" | tee -a "$OUT/summary.txt"
exit "$failed"
