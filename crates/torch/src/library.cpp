// Which LibTorch this process runs with, and libraries that are loaded beside it.
// The C side of library.rs, which alone calls it. Texts are copies that belong to the caller: augtrial_free_text (aten.cpp) takes
// them back.

#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include <cstdint>
#include <cstring>

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

#include "guarded.h"

extern "C" {

// TORCH_ABI_VERSION of the library that is loaded, which may be another than that of the headers: major, minor and patch are its
// highest bytes.
uint64_t augtrial_abi_version() { return aoti_torch_abi_version(); }

// The file that LibTorch's CPU side was loaded from, or null where the system does not tell.
char *augtrial_library_file() {
#if !defined(_WIN32)
  Dl_info info;
  void *symbol = dlsym(RTLD_DEFAULT, "aoti_torch_abi_version");
  if (symbol && dladdr(symbol, &info) && info.dli_fname) return strdup(info.dli_fname);
#endif
  return nullptr;
}

// Loads a library with its symbols visible to all; null, or the loader's reason why not.
char *augtrial_load(const char *file) {
#if defined(_WIN32)
  return strdup("libraries cannot be loaded by name on this system");
#else
  if (dlopen(file, RTLD_NOW | RTLD_GLOBAL)) return nullptr;
  const char *reason = dlerror();
  return strdup(reason ? reason : "the loader gives no reason");
#endif
}

// Memory of a GPU that no process uses; null, or the text of an exception.
char *augtrial_gpu_free_bytes(int32_t index, uint64_t *free_bytes) {
  return guarded([&] {
    at::globalContext().lazyInitDevice(at::kCUDA);
    *free_bytes = at::getDeviceAllocator(at::kCUDA)->getMemoryInfo(static_cast<c10::DeviceIndex>(index)).first;
  });
}

// A GPU's name as NVIDIA's driver tells it, such as "NVIDIA H100 80GB HBM3"; null where it tells none. The functions are those of
// cuda.h, which LibTorch's CPU side does without; a result of zero is success.
char *augtrial_gpu_name(int32_t index) {
#if !defined(_WIN32)
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(RTLD_DEFAULT, "cuInit"));
  const auto get = reinterpret_cast<int (*)(int *, int)>(dlsym(RTLD_DEFAULT, "cuDeviceGet"));
  const auto get_name = reinterpret_cast<int (*)(char *, int, int)>(dlsym(RTLD_DEFAULT, "cuDeviceGetName"));
  if (!init || !get || !get_name) return nullptr;
  int device = 0;
  char name[256] = {};
  if (init(0) == 0 && get(&device, index) == 0 && get_name(name, sizeof name - 1, device) == 0) return strdup(name);
#endif
  return nullptr;
}

// As torch.use_deterministic_algorithms(True); memory is not filled before it is used, since no operation here reads what it has not
// written.
void augtrial_use_deterministic_algorithms() {
  at::globalContext().setDeterministicCuDNN(true);
  at::globalContext().setDeterministicAlgorithms(true, false);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

bool augtrial_is_deterministic() { return at::globalContext().deterministicAlgorithms(); }
}
