# Sourced by setup.sh and test.sh: jobs = as many compilers at a time as there are cores, with 3 GB of memory for each.
jobs=$(nproc 2>/dev/null || echo 1)
memory=$(awk '/^MemAvailable:/ { print int($2 / 3000000) }' /proc/meminfo 2>/dev/null || echo 1)
[ "${memory:-1}" -ge 1 ] || memory=1
[ "$jobs" -le "${memory:-1}" ] || jobs=$memory
if [ -z "${CMAKE_GENERATOR-}" ] && command -v ninja >/dev/null; then export CMAKE_GENERATOR=Ninja; fi
