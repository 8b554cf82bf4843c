#!/bin/sh
# The example programs as a person would run them, on the embedded world.   sh tests/programs.sh FOLDER_OF_PROGRAMS
set -u
bin=$1
rm -rf programs.scratch && mkdir programs.scratch && cd programs.scratch || exit 1
failed=0 passed=0
ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAILED: $*"; }
# expect CODE TEXT command…: exit code and a piece of what is printed
expect() {
  code=$1 text=$2; shift 2
  "$@" > out.txt 2>&1
  got=$?
  [ "$got" -eq "$code" ] && grep -q -e "$text" out.txt && { ok; return; }
  bad "wanted exit code $code and \"$text\" from: $* (got $got)"; tail -n 5 out.txt
}
number() { sed -n "s/.*\"$2\": \([0-9.e-]*\),*/\1/p" "$1" | tail -n 1; }

for program in 00_world 01_retriever 02_finetune 03_encode 04_compose 06_evaluate 07_pretrain; do expect 0 -- "$bin/$program" --help; grep -q -e --json out.txt && ok || bad "$program --help does not name --json"; done
for program in 05_study; do expect 0 -- "$bin/$program" --help; done
expect 0 "worst relative error" "$bin/04_compose" --json compose.json

# the main job on its embedded default: tuned beats zero-shot
TMPDIR=$PWD; export TMPDIR
run() { "$bin/02_finetune" --quiet --threads 2 "$@"; }
expect 0 "nDCG@10" run --epochs 3 --json iaa.json --run iaa.trec
world=$(ls -d towpath-world-*)
awk '/"tuned"/ { t = 1 } /"zero_shot"/ { t = 0 } /nDCG@10/ { gsub(/[^0-9.]/, "", $2); v[t] = $2 } END { exit !(v[1] > v[0] + 0.02) }' iaa.json && ok || { bad "tuning did not beat zero-shot"; cat iaa.json; }
[ "$(wc -l < iaa.trec)" -eq 25000 ] && ok || bad "the run has $(wc -l < iaa.trec) lines, not 250 queries x 100"

# a run as trec_eval evaluates it, against what trec_eval 9's code says (tests/unit/metric/trec_eval.cpp)
fixture=$(dirname "$0")/unit/metric/trec_eval
evaluate="$bin/06_evaluate"
expect 0 "num_q" "$evaluate" -q -m all_trec "$fixture/run" "$fixture/qrels"
cmp -s out.txt "$fixture/all_trec" && ok || { bad "06_evaluate prints otherwise than trec_eval"; diff out.txt "$fixture/all_trec" | head -n 5; }
expect 0 "num_q" "$evaluate" -l 2 -q -m all_trec "$fixture/run" "$fixture/qrels"
cmp -s out.txt "$fixture/all_trec.l2" && ok || { bad "06_evaluate -l 2 prints otherwise than trec_eval"; diff out.txt "$fixture/all_trec.l2" | head -n 5; }
expect 0 "num_q" "$evaluate" -c -l 2 -q -m all_trec "$fixture/run" "$fixture/qrels"
cmp -s out.txt "$fixture/all_trec.c.l2" && ok || { bad "06_evaluate -c -l 2 prints otherwise than trec_eval"; diff out.txt "$fixture/all_trec.c.l2" | head -n 5; }
expect 0 "is a run and .* holds judgements" "$evaluate" "$fixture/qrels" "$fixture/run"
expect 0 "ndcg_cut_10 .*all.*0\.[0-9]" "$evaluate" -m ndcg_cut.10 -m P.5 iaa.trec "$world/qrels/test.txt" --json evaluated.json
tuned=$(awk '/"tuned"/ { t = 1 } /"zero_shot"/ { t = 0 } t && /"nDCG@10"/ { gsub(/[^0-9.]/, "", $2); print $2 }' iaa.json)
awk -v a="$tuned" -v b="$(number evaluated.json ndcg_cut_10)" 'BEGIN { exit !(a > 0 && a - b < 1e-9 && b - a < 1e-9) }' && ok || bad "06_evaluate says nDCG@10 $(number evaluated.json ndcg_cut_10), 02_finetune $tuned"
expect 1 "both are runs" "$evaluate" "$fixture/run" "$fixture/run"
expect 1 "both hold judgements" "$evaluate" "$fixture/qrels" "$fixture/qrels"
expect 1 "nowhere.trec" "$evaluate" nowhere.trec "$fixture/qrels"
expect 1 "trec_eval has no measure nDCG@10" "$evaluate" -m nDCG@10 "$fixture/run" "$fixture/qrels"
expect 1 "nothing for query q30: trec_eval 10 stops there" "$evaluate" --like trec_eval10 "$fixture/run" "$fixture/qrels"
expect 0 "num_q .*all.*7" "$evaluate" --like trec_eval10 -c "$fixture/run" "$fixture/qrels"
expect 2 "not in" "$evaluate" --like bm25 "$fixture/run" "$fixture/qrels"
awk '$1 != "q0" { $5 = -$5 } { print }' "$fixture/run" > worse.trec
expect 0 "ndcg_cut_10 .*worse.trec" "$evaluate" -m ndcg_cut.10 -m map "$fixture/run" "$fixture/qrels" --compare worse.trec --json compared.json
grep -q '"holm"' compared.json && ok || bad "no comparison in --json"
grep -v '^q20 ' "$fixture/run" > fewer.trec
expect 1 "results for other queries" "$evaluate" "$fixture/run" "$fixture/qrels" --compare fewer.trec
expect 0 "fewer.trec" "$evaluate" -c -m map "$fixture/run" "$fixture/qrels" --compare fewer.trec
awk '!($1 in seen) { seen[$1] = 1; print $1, "Q0", $1, 0, 2000, $6 } { print }' "$fixture/run" > self.trec
expect 0 "num_q" "$evaluate" --like beir -q -m all_trec self.trec "$fixture/qrels"
cmp -s out.txt "$fixture/all_trec" && ok || { bad "06_evaluate --like beir does not drop the query itself"; diff out.txt "$fixture/all_trec" | head -n 5; }
printf '1\t10\t2\n1\t11\t1\n3\t30\t4\n3\t30\t5\n' > marco.tsv
printf '1\t0\t10\t1\n2\t0\t20\t1\n' > marco.qrels.tsv
expect 0 "MRR @10: 0.25" "$evaluate" --like ms_marco marco.tsv marco.qrels.tsv
grep -q "query 3 ranks passage 30 more than once" out.txt && grep -q "QueriesRanked: 2" out.txt && ok || bad "MS MARCO's script says more than that"

# every method runs and trains what it says
for method in none full bitfit lora adapter parallel prefix mam iaa-s iaa-m lora-top; do expect 0 "$method" run --method $method --budget 6.7 --epochs 1 --train-queries 64; done

# interrupted and resumed is the same, bit by bit; so is one thread
expect 0 "best epoch" run --epochs 2 --save whole --dropout 0.1
expect 0 "best epoch" "$bin/02_finetune" --quiet --threads 1 --epochs 2 --save one --dropout 0.1
expect 0 "" run --epochs 2 --save part --dropout 0.1 --stop-after 31
expect 0 "best epoch" run --epochs 2 --resume part --dropout 0.1
cmp -s whole/adapter.safetensors part/adapter.safetensors && ok || bad "a resumed run ended with other weights"
cmp -s whole/adapter.safetensors one/adapter.safetensors && ok || bad "one thread ended with other weights than two"
expect 1 "belongs to another run" run --epochs 2 --resume part --method lora
expect 1 "nowhere/state.safetensors" run --resume nowhere

# batches with a bound on their tokens, of texts of like length: other steps, and resumed to the same bits as well
expect 0 "best epoch" run --epochs 2 --save bounded --batch-tokens 1500 --by-length
expect 0 "" run --epochs 2 --save halves --batch-tokens 1500 --by-length --stop-after 31
expect 0 "best epoch" run --epochs 2 --resume halves --batch-tokens 1500 --by-length
cmp -s bounded/adapter.safetensors halves/adapter.safetensors && ok || bad "a resumed run with bounded batches ended with other weights"
expect 1 "belongs to another run" run --epochs 2 --resume halves --by-length
rm -r bounded halves

# several processes: two do what one does that accumulates two batches
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
alone() { "$bin/02_finetune" --quiet --threads 1 --epochs 2 --train-queries 128 "$@"; }
if ! command -v mpirun > /dev/null; then echo "skipped: --team mpi, since there is no mpirun here"
elif alone --team mpi 2>&1 | grep -q "without MPI"; then echo "skipped: --team mpi, since these programs were built without MPI"
else
  expect 0 "nDCG@10" alone --accumulate 2 --json alone.json
  expect 0 "nDCG@10" mpirun -np 2 "$bin/02_finetune" --quiet --threads 1 --epochs 2 --train-queries 128 --team mpi --json team.json --save team
  [ "$(grep -c "nDCG@10" out.txt)" -eq 1 ] && ok || bad "both processes printed"
  awk -v a="$(number alone.json nDCG@10)" -v b="$(number team.json nDCG@10)" 'BEGIN { exit !(a > 0 && a - b < 1e-3 && b - a < 1e-3) }' && ok || bad "two processes came to $(number team.json nDCG@10), one to $(number alone.json nDCG@10)"
fi
expect 1 "without the GPU's part\|no GPU" run --device cuda

# states of frozen layers kept from epoch to epoch: the same bits, in memory, in a file and in the next run that takes the file up
expect 0 "best epoch" run --epochs 2 --method lora-top --save afresh
for keep in memory states.bin states.bin; do
  rm -rf kept
  expect 0 "best epoch" run --epochs 2 --method lora-top --save kept --cache-frozen $keep
  cmp -s afresh/adapter.safetensors kept/adapter.safetensors && ok || bad "states kept in $keep led to other weights"
done
expect 1 "cannot be kept with dropout" run --method lora-top --cache-frozen memory --dropout 0.1
expect 1 "they are of other weights, other texts or other kernels" run --method lora-top --cache-frozen states.bin --passage-length 20
expect 2 "goes with --method lora-top" run --method lora --cache-frozen memory
rm -r afresh kept states.bin

# encoding, with and without the adapter
cut -f2 "$world/collection.tsv" | head -n 50 > texts.txt
expect 0 "50 texts" "$bin/03_encode" --model "$world" --in texts.txt --out plain.npy --max-length 64
expect 0 "50 texts" "$bin/03_encode" --model "$world" --in texts.txt --out tuned.npy --max-length 64 --adapter whole/adapter.safetensors
cmp -s plain.npy tuned.npy && bad "the adapter changed nothing" || ok

# a corpus from disk to disk, killed on the way and resumed: the same bytes, whatever the form of the input or the threads
cut -f2 "$world/collection.tsv" > once.txt
for i in 1 2 3 4 5 6 7 8 9 10; do cat once.txt; done > many.txt
encode() { "$bin/03_encode" --quiet --model "$world" --chunk 200 "$@"; }
expect 0 "20000 texts" encode --in many.txt --out straight.npy --threads 1 --json straight.json
"$bin/03_encode" --quiet --model "$world" --chunk 200 --in many.txt --out killed.npy > /dev/null 2>&1 & victim=$!
waited=0 so_far=0
until [ "$so_far" -ge 400 ] || [ $waited -ge 600 ]; do
  sleep 0.05
  waited=$((waited + 1))
  [ -e killed.npy.journal ] && so_far=$(sed -n 's/.*"texts": \([0-9]*\).*/\1/p' killed.npy.journal | head -n 1)
done
kill -9 $victim; wait $victim 2> /dev/null
[ -e killed.npy.part ] && [ ! -e killed.npy ] && ok || bad "the run was not killed on its way"
expect 1 "Resume it, or remove killed.npy.journal" encode --in many.txt --out killed.npy
expect 1 '"chunk" was 200 and is 100 now' "$bin/03_encode" --quiet --model "$world" --chunk 100 --in many.txt --out killed.npy --resume
expect 1 '"identity" was "none on' encode --in many.txt --out killed.npy --adapter whole/adapter.safetensors --resume
expect 1 '"digest of the texts" was' encode --in once.txt --out killed.npy --resume
expect 0 "resumed after" encode --in many.txt --out killed.npy --resume --threads 2
cmp -s straight.npy killed.npy && ok || bad "an encoding that was killed and resumed differs"
[ -e killed.npy.part ] || [ -e killed.npy.journal ] && bad "a finished encoding left something behind" || ok
gzip -c "$world/collection.tsv" > again.tsv.gz
sed 's/["\\]/\\&/g; s/^\([^\t]*\)\t\(.*\)$/{"_id": "\1", "text": "\2"}/' "$world/collection.tsv" > again.jsonl
expect 0 "2000 texts" encode --in once.txt --out lines.npy
expect 0 "2000 texts" encode --in again.tsv.gz --out tsv.npy --resume
expect 0 "2000 texts" encode --in again.jsonl --out jsonl.npy
expect 0 "2000 texts" encode --in again.jsonl --out raw.npy --format lines
cmp -s lines.npy tsv.npy && cmp -s lines.npy jsonl.npy && ok || bad "the same texts in another form of file have other vectors"
cmp -s lines.npy raw.npy && bad "--format lines read jsonl as jsonl" || ok
expect 1 "again.jsonl:1: found" encode --in again.jsonl --out tsv.npy --format tsv

# a study: killed after some runs and started again it does only what is missing; the same figures as one that was not
study() { "$bin/05_study" --methods none,full,lora,iaa-l --budgets 6.7 --seeds 2 --train-queries 96 --evaluations 3 --dev-queries 40 --test-queries 60 "$@"; }
expect 0 "study/report.md" study --out study --jobs 2
for text in "## Effect" "## Convergence" "## Stability" "## Time, memory" "lora 6.7"; do grep -q -e "$text" study/report.md && ok || bad "the report has no $text"; done
for plot in dev-steps dev-seconds loss loss-seconds; do grep -q "<svg" study/plots/$plot-6.7.svg && ok || bad "no plot of $plot"; done
[ -e study/arrays/lora-6.7-seed2.loss.npy ] && ok || bad "the study left no arrays"
figures() { sed -n '/^## Effect/,/^## Convergence/p' "$1"; }  # what follows has times
figures study/report.md > before.txt
rm -r study/runs/lora-6.7-lr0.001-seed* study/runs/full-lr*-seed2 study/results.json
expect 0 "study/report.md" study --out study
figures study/report.md > after.txt
cmp -s before.txt after.txt && ok || bad "a study that was taken up again came to other figures"
expect 1 "holds another study" study --out study --batch 8
expect 0 "study/report.md" "$bin/05_study" --methods none,full,lora --budgets 6.7 --seeds 2 --train-queries 96 --evaluations 3 --dev-queries 40 --test-queries 60 --out study --report
# killed without a word in the middle: its runs may go on for a while, and it may not be started beside them
study --out killed > /dev/null 2>&1 & victim=$!
waited=0
until [ "$(ls killed/runs/*/run.json 2> /dev/null | wc -l)" -ge 4 ] || [ $waited -ge 1200 ]; do sleep 0.05; waited=$((waited + 1)); done
kill -9 $victim; wait $victim 2> /dev/null
[ -e killed/results.json ] && bad "the study was not killed on its way" || ok
flock killed/lock true
expect 0 "killed/report.md" study --out killed
figures killed/report.md > after.txt
cmp -s before.txt after.txt && ok || bad "a study that was killed and started again came to other figures"
(flock 9; study --out killed 2>&1 | grep -q "is at work in killed") 9> killed/lock && ok || bad "two studies in one folder"
rm -r killed
expect 1 "no method" "$bin/05_study" --out study --methods loora
expect 1 "is no learning rate" study --out study --rates 1e-3,fast
rm -r study

# re-ranking what another program found, and the look inside
cp -r "$world" staged && mkdir -p staged/runs
for split in train dev test; do
  expect 0 "nDCG@10" run --model "$world" --collection "$world" --method none --split $split --depth 10 --run staged/runs/dense.$split.trec
done
rerank() { "$bin/05_study" --stage reranking --model "$world" --collection staged --methods none,full,lora,iaa-l --budgets 0.5 --seeds 2 --rates 1e-3 --epochs 1 --train-queries 48 \
  --batch 4 --negatives 3 --dev-queries 20 --test-queries 20 --pool 5 --depth 10 --evaluations 2 "$@"; }
expect 1 "has no run bm25.train" rerank --out reranked
rm -r reranked
expect 0 "reranked/report.md" rerank --out reranked --first-stage dense --analyse
for text in "Re-ranking on staged" "## The reason" "lora 0.5"; do grep -q -e "$text" reranked/report.md && ok || bad "the report has no $text"; done
for plot in discrepancy-0.5 surface-iaa-l-0.5; do grep -q "<svg" reranked/plots/$plot.svg && ok || bad "no plot of $plot"; done
for word in discrepancy sharpness stability against_best_scattered peak_memory_bytes; do grep -q "\"$word\"" reranked/results.json && ok || bad "results.json has no $word"; done
[ "$(wc -l < reranked/runs/lora-0.5-lr0.001-seed2/test.trec)" -eq 200 ] && ok || bad "not 20 queries x 10 were re-ranked"
rm -r staged reranked

# pre-training, stopped and resumed, is the same
pretrain() { "$bin/07_pretrain" --quiet --steps 12 --batch 16 --lr 1e-3 "$@"; }
expect 0 "wrote mlm" pretrain --out mlm
expect 0 "" pretrain --out stopped --stop-after 5
[ -e stopped/model.safetensors ] && bad "a checkpoint was written before its time" || ok
expect 0 "wrote stopped" pretrain --out stopped --resume --threads 1
cmp -s mlm/model.safetensors stopped/model.safetensors && ok || bad "pre-training that was resumed ended with other weights"
expect 0 "nDCG@10" run --model mlm --collection "$world" --method none
rm -r mlm stopped

# input that cannot be used: a sentence, exit code 1 (2 for usage), nothing half-written
expect 2 "not in" run --method nothing
expect 2 "go together" run --model "$world"
expect 2 "choose 0.5 or 6.7" run --method lora --budget none
expect 1 "no collection in" run --model "$world" --collection .
expect 1 "nowhere/config.json" run --model nowhere --collection "$world"
cp -r "$world" broken
head -c 1000 "$world/model.safetensors" > broken/model.safetensors
expect 1 "cannot read broken/model.safetensors" run --model broken --collection "$world" --method none
cp "$world/model.safetensors" broken/ && rm broken/vocab.txt
expect 1 "vocab.txt" run --model broken --collection "$world" --method none
cp "$world/vocab.txt" broken/ && sed 's/"hidden_size": 128/"hidden_size": 96/' "$world/config.json" > broken/config.json
expect 1 "hidden_size is 96" run --model broken --collection "$world" --method none
cp "$world/config.json" broken/ && printf 'd1 a line without a tab\n' >> broken/collection.tsv
expect 1 "broken/collection.tsv:2001" run --model "$world" --collection broken --method none
cp "$world/collection.tsv" broken/ && printf 'q0 0 dNOWHERE 1\n' >> broken/qrels/test.txt
expect 1 "dNOWHERE" run --model "$world" --collection broken --method none
cp "$world/qrels/test.txt" broken/qrels/ && printf 'q0 0 d1 one\n' >> broken/qrels/test.txt
expect 1 "broken/qrels/test.txt:251" run --model "$world" --collection broken --method none
expect 1 "nosuch" run --model "$world" --collection "$world" --method none --split nosuch
cp "$world/qrels/test.txt" broken/qrels/ && printf 'dempty\t\n' >> broken/collection.tsv
expect 0 "1 of the documents are empty" "$bin/02_finetune" --model "$world" --collection broken --method none
if [ -w /dev/full ]; then
  ln -s /dev/full full.json.partial
  expect 1 "could not finish writing full.json" run --method none --json full.json
  [ -e full.json ] || [ -e full.json.partial ] && bad "a full disk left something behind" || ok
fi
ls | grep -q -e '\.partial$' -e '\.part$' -e '\.journal$' && bad "half-written files: $(ls | grep '\.part')" || ok

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
