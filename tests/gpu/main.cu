#define DOCTEST_CONFIG_IMPLEMENT
#include <cstdio>
#include <cuda_runtime.h>
#include <doctest/doctest.h>

int main(int argc, char** argv) {
  int devices = 0;
  const cudaError_t e = cudaGetDeviceCount(&devices);
  if (e != cudaSuccess || devices == 0) {
    std::printf("skipped: there is no GPU that CUDA can use here (%s)\n", e != cudaSuccess ? cudaGetErrorString(e) : "the driver sees no device");
    return 77;  // what ctest calls skipped
  }
  return doctest::Context(argc, argv).run();
}
