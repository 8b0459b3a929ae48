// Counts the calls by which the host waits for a GPU, and the kernels that it starts. For tools/gpu_check.py:
//
//     cc -shared -fPIC gpu_waits.c -o waits.so -ldl && GPU_WAITS=FILE LD_PRELOAD=./waits.so PROGRAM
//
// Appends a JSON line to FILE when a process that started kernels ends.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
  unsigned x, y, z;
} Dim3;
typedef int (*Call)(void *, void *, void *, void *);
typedef int (*Launch)(void *, Dim3, Dim3, void **, size_t, void *);

static atomic_long waits, launches;

static void *real(const char *name) {
  void *library = dlopen("libcudart.so.13", RTLD_LAZY | RTLD_NOLOAD);
  if (!library) library = dlopen("libcudart.so.12", RTLD_LAZY | RTLD_NOLOAD);
  void *found = library ? dlsym(library, name) : NULL;
  if (!found) abort();
  return found;
}

#define WAITS(name)                                        \
  int name(void *a, void *b, void *c, void *d) {           \
    static _Atomic(Call) call;                             \
    if (!call) call = (Call)real(#name);                   \
    atomic_fetch_add(&waits, 1);                           \
    return call(a, b, c, d);                               \
  }

#define LAUNCHES(name)                                                                               \
  int name(void *kernel, Dim3 grid, Dim3 block, void **arguments, size_t shared_bytes, void *stream) { \
    static _Atomic(Launch) call;                                                                     \
    if (!call) call = (Launch)real(#name);                                                           \
    atomic_fetch_add(&launches, 1);                                                                  \
    return call(kernel, grid, block, arguments, shared_bytes, stream);                               \
  }

WAITS(cudaStreamSynchronize)
WAITS(cudaDeviceSynchronize)
WAITS(cudaEventSynchronize)
WAITS(cudaMemcpy)
LAUNCHES(cudaLaunchKernel)
LAUNCHES(__cudaLaunchKernel)

__attribute__((destructor)) static void tell(void) {
  const char *path = getenv("GPU_WAITS");
  FILE *file = path && launches ? fopen(path, "a") : NULL;
  if (!file) return;
  fprintf(file, "{\"waits\": %ld, \"launches\": %ld}\n", (long)waits, (long)launches);
  fclose(file);
}
