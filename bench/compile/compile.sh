#!/bin/sh
# What the library costs the compiler of a program that links towpath::kernels: seconds of g++ -O2 and, by clang, how many templates are
# instantiated.
#   sh bench/compile/compile.sh              seconds (user time, median of 3) and counts
#   sh bench/compile/compile.sh --gate       counts against bench/compile/gate.txt, 3 % either way; exit code 77 (skipped) without that clang
#   sh bench/compile/compile.sh --update     writes gate.txt: run it when a change of the counts is meant, and say why in the commit
# CXX and CXXFLAGS name another compiler and its options (headers alone: CXXFLAGS="-std=c++20 -O2 -DNDEBUG -march=native"), CLANG names clang++,
# CPPFLAGS what both need to find headers. Counts do not depend on the machine: kernels are not among them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
gate=$here/gate.txt
programs="include layer repeat segments retriever"
compiler=${CXX:-g++}
flags=${CXXFLAGS:--std=c++20 -O2 -DNDEBUG -DTOWPATH_KERNELS}
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT INT TERM

source_of() {
  case $1 in
    retriever) echo "$root/examples/01_retriever.cpp" ;;
    *) echo "$here/$1.cpp" ;;
  esac
}

# The user seconds of one compilation: the second line of the shell's own `times` is of its children.
seconds_once() {
  # shellcheck disable=SC2086
  ($compiler $flags ${CPPFLAGS-} -I"$root/include" -c "$(source_of "$1")" -o "$temporary/timed.o" && times) |
    awk 'NR == 2 { split($1, t, /[ms]/); printf "%.2f\n", 60 * t[1] + t[2] }'
}
seconds() {
  for run in 1 2 3; do seconds_once "$1"; done | sort -n | sed -n 2p
}

clang=${CLANG:-}
for name in clang++ clang++-14 clang++-15 clang++-16 clang++-17 clang++-18 clang++-19; do
  [ -z "$clang" ] && command -v $name >/dev/null && clang=$name
done
# The compiler and library that a count belongs to; others instantiate other things.
clang_kind() {
  echo '#include <string>' | "$clang" -x c++ -E -dM - |
    awk '$2 ~ /^(__clang_major__|__GLIBCXX__|_LIBCPP_VERSION)$/ { print $2, $3 }
         $2 ~ /^__(x86_64|aarch64)__$/ { print $2 }' | sort | tr '\n' ' ' | sed 's/ $//'
}
counts() { # functions, then classes
  # shellcheck disable=SC2086
  "$clang" -std=c++20 -DNDEBUG -DTOWPATH_KERNELS ${CPPFLAGS-} -I"$root/include" -c -emit-llvm -Xclang -disable-llvm-passes -ftime-trace -ftime-trace-granularity=0 \
    "$(source_of "$1")" -o "$temporary/counted.bc"
  for kind in InstantiateFunction InstantiateClass; do
    grep -o "\"name\":\"$kind\"" "$temporary/counted.json" | wc -l | tr -d ' '
  done | tr '\n' ' '
}

case ${1-} in
  "")
    if [ -n "$clang" ]; then by=$("$clang" --version | head -n 1); else by="no clang here"; fi
    echo "$($compiler --version | head -n 1), $flags"
    echo "counts: $by"
    printf '%-10s %8s %10s %10s\n' "" seconds functions classes
    repeat=0
    for program in $programs; do
      s=$(seconds "$program")
      n="- -"
      [ -z "$clang" ] || n=$(counts "$program")
      # shellcheck disable=SC2086
      printf '%-10s %8s %10s %10s\n' "$program" "$s" $n
      [ "$program" != repeat ] || repeat=$s
      [ "$program" != segments ] || further=$(echo "$s $repeat" | awk '{ printf "%.2f", ($1 - $2) / 3 }')
    done
    echo "each further layer type: $further s"
    ;;
  --gate | --update)
    if [ -z "$clang" ]; then
      echo "skipped: instantiations are counted by clang, which is not installed ('apt-get install clang')"
      exit 77
    fi
    kind=$(clang_kind)
    if [ "$1" = --update ]; then
      {
        echo "# Instantiations of functions and of classes, by bench/compile/compile.sh --update"
        echo "# $kind"
        for program in $programs; do echo "$program $(counts "$program")" | sed 's/ $//'; done
      } >"$temporary/gate"
      cat "$temporary/gate"
      cp "$temporary/gate" "$gate"
      exit 0
    fi
    if [ "$(sed -n 's/^# \(__.*\|_LIB.*\)$/\1/p' "$gate")" != "$kind" ]; then
      echo "skipped: the counts of gate.txt are of another compiler or library than this one ($kind)"
      exit 77
    fi
    failed=0
    for program in $programs; do
      set -- $(sed -n "s/^$program //p" "$gate") $(counts "$program")
      echo "$program $*" | awk '{
        f = ($4 - $2) / $2; c = ($5 - $3) / $3
        printf "%-10s functions %6d, expected %6d (%+.1f %%)   classes %6d, expected %6d (%+.1f %%)\n", $1, $4, $2, 100 * f, $5, $3, 100 * c
        exit f > 0.03 || f < -0.03 || c > 0.03 || c < -0.03
      }' || failed=1
    done
    if [ $failed = 1 ]; then
      echo "more than 3 % from gate.txt: cut what was not meant; otherwise run sh bench/compile/compile.sh --update and say why in the commit"
      exit 1
    fi
    ;;
  *)
    echo "usage: sh bench/compile/compile.sh [--gate | --update]" >&2
    exit 2
    ;;
esac
