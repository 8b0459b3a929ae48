// What LibTorch offers and tch does not: autocast on any device, page-locked memory, gradients that are dropped, and optimizer steps
// in one pass over memory.
// The C side of aten.rs, which alone calls it. Tensors are passed as tch holds them, as pointers to at::Tensor.
// Every function returns null, or the text of an exception, to be given back to augtrial_free_text.

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include <cstdlib>
#include <vector>

#include "guarded.h"

namespace {

std::vector<at::Tensor> tensors(const at::Tensor *const *pointers, size_t count) {
  std::vector<at::Tensor> list;
  list.reserve(count);
  for (size_t i = 0; i < count; ++i) list.push_back(*pointers[i]);
  return list;
}

// Whether both keep their elements in the same order. The stride of a dimension of one element means nothing.
bool same_order(const at::Tensor &a, const at::Tensor &b) {
  if (a.sizes() != b.sizes()) return false;
  for (int64_t dim = 0; dim < a.dim(); ++dim) {
    if (a.size(dim) > 1 && a.stride(dim) != b.stride(dim)) return false;
  }
  return true;
}

// The fused kernels walk memory in order, whatever the strides say.
void check_layouts(const std::vector<at::Tensor> &parameters, const std::vector<at::Tensor> &others) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    TORCH_CHECK(others[i].defined(), "a parameter has no gradient");
    TORCH_CHECK(same_order(parameters[i], others[i]), "a parameter and its gradient or state differ in layout");
  }
}

// The same gradient, as channels-last where it is one of [O, I, H, W] in that order on the CPU.
at::Tensor in_channels_last(const at::Tensor &gradient) {
  const auto format = at::MemoryFormat::ChannelsLast;
  const bool is_plain = gradient.dim() == 4 && gradient.is_cpu() && gradient.scalar_type() == at::kFloat &&
                        gradient.is_contiguous() && !gradient.is_contiguous(format);
  if (!is_plain) return gradient;
  auto made = at::empty(gradient.sizes(), gradient.options().memory_format(format));
  const int64_t inputs = gradient.size(1), area = gradient.size(2) * gradient.size(3);
  const float *from = gradient.const_data_ptr<float>();
  float *to = made.mutable_data_ptr<float>();
  for (int64_t output = 0; output < gradient.size(0); ++output, to += inputs * area) {
    for (int64_t input = 0; input < inputs; ++input) {
      for (int64_t place = 0; place < area; ++place) to[place * inputs + input] = *from++;
    }
  }
  return made;
}

at::DeviceType device_type(bool cuda) { return cuda ? at::kCUDA : at::kCPU; }

} // namespace

extern "C" {

void augtrial_free_text(char *text) { std::free(text); }

// Begins a region of bf16 autocast on this thread. `was_on` gets the state to give back.
char *augtrial_autocast_begin(bool cuda, bool *was_on) {
  return guarded([&] {
    const auto device = device_type(cuda);
    *was_on = at::autocast::is_autocast_enabled(device);
    at::autocast::set_autocast_dtype(device, at::kBFloat16);
    at::autocast::set_autocast_enabled(device, true);
    at::autocast::increment_nesting();
  });
}

// Ends the region; the casts of weights that were kept for it are dropped with the outermost one.
char *augtrial_autocast_end(bool cuda, bool was_on) {
  return guarded([&] {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_type(cuda), was_on);
  });
}

// A copy of `tensor` in page-locked memory. tch names the device, which LibTorch warns about.
char *augtrial_page_locked(const at::Tensor *tensor, at::Tensor **copy) {
  return guarded([&] { *copy = new at::Tensor(tensor->pin_memory()); });
}

// Gradients of kernels that are channels-last come so from now on. A convolution's backward pass gives them as [O, I, H, W], and
// autograd would bring each into its parameter's order by a slower copy: 3 % of a trial of ResNet18 at 64x48.
char *augtrial_order_gradients(const at::Tensor *const *parameters, size_t count) {
  return guarded([&] {
    for (const auto &parameter : tensors(parameters, count)) {
      const bool is_ordered = parameter.dim() == 4 && parameter.is_contiguous(at::MemoryFormat::ChannelsLast);
      if (is_ordered && !parameter.is_contiguous()) parameter.register_hook(in_channels_last);
    }
  });
}

// torch.optim.Optimizer.zero_grad(set_to_none=True): the next backward pass then hands its gradients over instead of adding them.
char *augtrial_drop_gradients(const at::Tensor *const *parameters, size_t count) {
  return guarded([&] {
    for (auto &parameter : tensors(parameters, count)) parameter.mutable_grad().reset();
  });
}

// torch.optim.SGD(fused=True) without dampening.
char *augtrial_sgd(const at::Tensor *const *parameters, const at::Tensor *const *gradients,
                   const at::Tensor *const *momenta, size_t count, double weight_decay, double momentum,
                   double learning_rate, bool nesterov) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    const auto w = tensors(parameters, count), g = tensors(gradients, count), m = tensors(momenta, count);
    check_layouts(w, g);
    check_layouts(w, m);
    // Without momentum the kernel expects no buffers.
    at::_fused_sgd_(w, g, momentum == 0.0 ? std::vector<at::Tensor>{} : m, weight_decay, momentum, learning_rate,
                    /*dampening=*/0.0, nesterov, /*maximize=*/false, /*is_first_step=*/false);
  });
}

// torch.optim.AdamW(fused=True); `update` counts from 1.
char *augtrial_adamw(const at::Tensor *const *parameters, const at::Tensor *const *gradients,
                     const at::Tensor *const *means, const at::Tensor *const *mean_squares, size_t count, double update,
                     double learning_rate, double beta1, double beta2, double weight_decay, double epsilon) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    const auto w = tensors(parameters, count), g = tensors(gradients, count);
    const auto m = tensors(means, count), v = tensors(mean_squares, count);
    check_layouts(w, g);
    check_layouts(w, m);
    check_layouts(w, v);
    const std::vector<at::Tensor> steps(count, at::full({}, update, w.at(0).options().dtype(at::kFloat).requires_grad(false)));
    at::_fused_adamw_(w, g, m, v, /*max_exp_avg_sqs=*/{}, steps, learning_rate, beta1, beta2, weight_decay, epsilon,
                      /*amsgrad=*/false, /*maximize=*/false);
  });
}

} // extern "C"
