// TorchScript modules that can be trained: loading, buffers, modes by submodule, calls without the graph optimizer. The C side of
// module.rs, which alone calls it. Tensors are passed as tch holds them, as pointers to at::Tensor.
// Every function returns null, or the text of an exception, to be given back to augtrial_free_text.

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/passes/autocast.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <string>

#include "guarded.h"

namespace {

using torch::jit::Module;

// Whether `name` is the module `prefix` or lies in it.
bool is_within(const std::string &name, const std::string &prefix) {
  return name == prefix || name.rfind(prefix + ".", 0) == 0;
}

void set_mode(Module &module, bool train) {
  if (module.hasattr("training")) module.setattr("training", train);
}

} // namespace

extern "C" {

// Loads a module onto the CPU, or onto the CUDA device `cuda` if that is not negative.
char *augtrial_script_load(const char *path, int cuda, Module **loaded) {
  return guarded([&] {
    // Autocast is the dispatcher's, as for any other operation: the graph must not cast a second time.
    torch::jit::setAutocastMode(false);
    const auto device = cuda < 0 ? c10::Device(c10::kCPU) : c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(cuda));
    *loaded = new Module(torch::jit::load(std::string(path), device));
  });
}

// A copy with tensors of its own.
char *augtrial_script_copy(const Module *module, Module **copy) {
  return guarded([&] { *copy = new Module(module->deepcopy()); });
}

void augtrial_script_free(Module *module) { delete module; }

// Shows every parameter, then every buffer, under its full name. The tensors share memory with the module's; `see` owns its handle.
char *augtrial_script_tensors(const Module *module, void *data,
                              void (*see)(void *data, const char *name, bool is_buffer, at::Tensor *tensor)) {
  return guarded([&] {
    for (const auto &item : module->named_parameters(true)) see(data, item.name.c_str(), false, new at::Tensor(item.value));
    for (const auto &item : module->named_buffers(true)) see(data, item.name.c_str(), true, new at::Tensor(item.value));
  });
}

// Puts every submodule into training mode or into evaluation mode; those within `kept`, always into evaluation mode.
char *augtrial_script_mode(Module *module, bool train, const char *const *kept, size_t count) {
  return guarded([&] {
    for (auto item : module->named_modules()) {
      bool is_kept = false;
      for (size_t i = 0; i < count; ++i) is_kept = is_kept || is_within(item.name, kept[i]);
      set_mode(item.value, train && !is_kept);
    }
  });
}

// Calls a method of one tensor that gives one. The graph is interpreted as it is: optimized graphs are compiled after some calls, and
// would compute other bits from then on than before, so that a resumed trial would differ from one that was never stopped.
char *augtrial_script_call(Module *module, const char *method, const at::Tensor *input, at::Tensor **output) {
  return guarded([&] {
    torch::jit::GraphOptimizerEnabledGuard no_optimizer(false);
    *output = new at::Tensor(module->get_method(method)({*input}).toTensor());
  });
}

} // extern "C"
