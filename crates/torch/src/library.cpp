// Which LibTorch this process runs with, and libraries that are loaded beside it.
// The C side of library.rs, which alone calls it. Texts are copies that belong to the caller: augtrial_free_text (aten.cpp) takes
// them back.

#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include <cstdint>
#include <cstring>

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

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
}
