// TorchScript modules: loading onto any device, buffers, modes by submodule, calls with and without the graph optimizer. The C side
// of mod.rs, which alone calls it. Tensors are passed as tch holds them, as pointers to at::Tensor.
// Every function returns null, or the text of an exception, to be given back to augtrial_free_text.

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/passes/autocast.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <string>
#include <vector>

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

// Keeps the shapes of tensors alone.
void drop_values(Module &module) {
  for (auto part : module.modules()) {
    for (const auto &member : part.named_attributes(false)) {
      if (member.value.isTensor()) part.setattr(member.name, member.value.toTensor().detach().to(at::kMeta));
    }
  }
}

void replace_devices(torch::jit::Block *block, const std::string &device) {
  for (auto *node : block->nodes()) {
    const bool is_device = node->kind() == torch::jit::prim::Constant && node->outputs().size() == 1 &&
                           node->output()->type()->kind() == c10::DeviceObjType::Kind && node->hasAttribute(torch::jit::attr::value);
    if (is_device) node->s_(torch::jit::attr::value, device);
    for (auto *inner : node->blocks()) replace_devices(inner, device);
  }
}

// A trace names the device that it was made on wherever it makes a tensor, such as the times of a U-Net. Loading moves weights and
// leaves these names. OpenAI's CLIP does the same (clip.load, patch_device).
void make_tensors_on(Module &module, const std::string &device) {
  for (auto part : module.modules()) {
    for (const auto &method : part.get_methods()) {
      method.function().ensure_defined();
      replace_devices(torch::jit::toGraphFunction(method.function()).graph()->block(), device);
    }
  }
}

} // namespace

extern "C" {

// Loads a module onto a device, such as "cpu" or "cuda:0", in evaluation mode or training mode as it was saved.
char *augtrial_script_load(const char *path, const char *device, Module **loaded) {
  return guarded([&] {
    // Autocast is the dispatcher's, as for any other operation: the graph must not cast a second time.
    torch::jit::setAutocastMode(false);
    const c10::Device place{std::string(device)};
    // Loading compares constants, which a device without values, a test's, cannot.
    auto module = torch::jit::load(std::string(path), place.is_meta() ? c10::Device(c10::kCPU) : place);
    if (place.is_meta()) drop_values(module);
    if (!place.is_cpu()) make_tensors_on(module, device);
    *loaded = new Module(std::move(module));
  });
}

// Casts every floating-point parameter and buffer to a type of c10::ScalarType.
char *augtrial_script_cast(Module *module, int8_t type) {
  return guarded([&] { module->to(static_cast<at::ScalarType>(type)); });
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

// Calls a method of tensors that gives one tensor, or as many as a tuple has. Without the optimizer the graph is interpreted as it is.
char *augtrial_script_call(Module *module, const char *method, const at::Tensor *const *inputs, size_t inputs_count, bool optimize,
                           at::Tensor **outputs, size_t outputs_count) {
  return guarded([&] {
    torch::jit::GraphOptimizerEnabledGuard optimizer(optimize);
    std::vector<c10::IValue> stack;
    for (size_t i = 0; i < inputs_count; ++i) stack.emplace_back(*inputs[i]);
    const auto output = module->get_method(method)(std::move(stack));
    std::vector<at::Tensor> made;
    if (output.isTensor()) {
      made.push_back(output.toTensor());
    } else if (output.isTuple()) {
      for (const auto &element : output.toTupleRef().elements()) made.push_back(element.toTensor());
    }
    TORCH_CHECK(made.size() == outputs_count, method, " gives another number of tensors than ", outputs_count);
    for (size_t i = 0; i < outputs_count; ++i) outputs[i] = new at::Tensor(std::move(made[i]));
  });
}

} // extern "C"
