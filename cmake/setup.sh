#!/bin/sh
# Installs what is missing from the distribution's packages, builds the main program and runs it on its built-in small world.
#   sh cmake/setup.sh [argument of 02_finetune ...]
#   sh cmake/setup.sh --install-only
set -eu
cd "$(dirname "$0")/.."

packages="g++ cmake make pkg-config libeigen3-dev libxsimd-dev libxtensor-dev doctest-dev libbenchmark-dev rapidjson-dev
          libutf8proc-dev zlib1g-dev libcli11-dev libhnswlib-dev libopenmpi-dev openmpi-bin"

install_missing() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "towpath: this system has no apt-get, so nothing was installed; what is needed, by Debian's names:" $packages >&2
    return 0
  fi
  missing=
  for package in $packages; do
    case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true) in
      installed) ;;
      *) case $package in
           g++ | cmake | make | pkg-config) command -v "$package" >/dev/null || missing="$missing $package" ;;
           *) missing="$missing $package" ;;
         esac ;;
    esac
  done
  [ -n "$missing" ] || return 0
  echo "towpath: installing$missing"
  as_root=
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "towpath: installing packages needs root, and there is no sudo: run 'apt-get install$missing' as root, then this again" >&2
      exit 1
    fi
    as_root=sudo
  fi
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
}

install_missing
[ "${1-}" != --install-only ] || exit 0

. cmake/jobs.sh
cmake -S . -B build/release -DCMAKE_BUILD_TYPE=Release -DTOWPATH_TESTS=OFF -DTOWPATH_BENCH=OFF
cmake --build build/release -j "$jobs" --target 02_finetune
exec build/release/examples/02_finetune "$@"
