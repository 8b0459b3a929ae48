//! What LibTorch offers and tch does not: autocast on any device, page-locked memory, gradients that are dropped, and optimizer
//! steps in one pass over memory.
//!
//! `aten.cpp` holds the C++ side, compiled by `build.rs`. One of the places where `unsafe` is allowed: every function here is
//! safe to call, and says at each call across the border why.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;

use tch::{Device, TchError, Tensor};

/// Type of a tensor behind tch's pointers, `at::Tensor` in C++.
#[repr(C)]
struct AtTensor {
    _opaque: [u8; 0],
}

#[expect(unsafe_code, reason = "declares the functions of aten.cpp")]
unsafe extern "C" {
    fn augtrial_free_text(text: *mut c_char);
    fn augtrial_autocast_begin(cuda: bool, was_on: *mut bool) -> *mut c_char;
    fn augtrial_autocast_end(cuda: bool, was_on: bool) -> *mut c_char;
    fn augtrial_page_locked(tensor: *const AtTensor, copy: *mut *mut AtTensor) -> *mut c_char;
    fn augtrial_order_gradients(parameters: *const *const AtTensor, count: usize) -> *mut c_char;
    fn augtrial_drop_gradients(parameters: *const *const AtTensor, count: usize) -> *mut c_char;
    fn augtrial_sgd(
        parameters: *const *const AtTensor,
        gradients: *const *const AtTensor,
        momenta: *const *const AtTensor,
        count: usize,
        weight_decay: f64,
        momentum: f64,
        learning_rate: f64,
        nesterov: bool,
    ) -> *mut c_char;
    fn augtrial_adamw(
        parameters: *const *const AtTensor,
        gradients: *const *const AtTensor,
        means: *const *const AtTensor,
        mean_squares: *const *const AtTensor,
        count: usize,
        update: f64,
        learning_rate: f64,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        epsilon: f64,
    ) -> *mut c_char;
}

/// While it lives, convolutions and matrix products of this thread on one kind of device are computed in bf16, and what
/// needs range in f32, as `torch.autocast` rules.
///
/// A weight is cast once in the region. Let it end before the backward pass, which follows the types of the forward pass.
#[derive(Debug)]
pub(crate) struct Bf16Region {
    cuda: bool,
    was_on: bool,
    /// Autocast is a state of the thread: the region must end where it began.
    of_this_thread: PhantomData<*const ()>,
}

impl Bf16Region {
    /// Begins a region.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(crate) fn begin(device: Device) -> Result<Self, TchError> {
        let cuda = device.is_cuda();
        let mut was_on = false;
        // SAFETY: the pointer is to a live bool of this frame; the function keeps nothing.
        #[expect(unsafe_code, reason = "calls C++")]
        let text = unsafe { augtrial_autocast_begin(cuda, &raw mut was_on) };
        outcome(text)?;
        Ok(Self { cuda, was_on, of_this_thread: PhantomData })
    }
}

impl Drop for Bf16Region {
    fn drop(&mut self) {
        // SAFETY: takes plain values.
        #[expect(unsafe_code, reason = "calls C++")]
        let text = unsafe { augtrial_autocast_end(self.cuda, self.was_on) };
        outcome(text).expect("ending a region that was begun changes plain state");
    }
}

/// Tensors lent to C++ for one call.
struct Lent<'a> {
    pointers: Vec<*const AtTensor>,
    tensors: PhantomData<&'a Tensor>,
}

impl<'a> Lent<'a> {
    fn of(tensors: &'a [Tensor]) -> Self {
        Self { pointers: tensors.iter().map(|tensor| tensor.as_ptr().cast()).collect(), tensors: PhantomData }
    }

    fn as_ptr(&self) -> *const *const AtTensor {
        self.pointers.as_ptr()
    }
}

/// A copy in page-locked memory, from which a GPU takes it while the processor goes on.
///
/// # Errors
/// Whatever LibTorch reports, such as that there is no GPU.
pub(super) fn page_locked(tensor: &Tensor) -> Result<Tensor, TchError> {
    let mut copy = std::ptr::null_mut();
    // SAFETY: both pointers live for the call. Where there is no text, `copy` is a new tensor, which tch takes over.
    #[expect(unsafe_code, reason = "calls C++")]
    unsafe {
        outcome(augtrial_page_locked(tensor.as_ptr().cast(), &raw mut copy))?;
        Ok(Tensor::from_ptr(copy.cast()))
    }
}

/// Lets gradients of kernels that are channels-last come in that order from every later backward pass. It spares autograd's own
/// copy, 3 % of a trial of `ResNet18` at 64x48. No bit changes.
///
/// # Errors
/// Whatever LibTorch reports, such as a parameter that requires no gradient.
pub(super) fn order_gradients(parameters: &[Tensor]) -> Result<(), TchError> {
    let lent = Lent::of(parameters);
    // SAFETY: the list has `parameters.len()` pointers to tensors that live for the call; C++ copies the handles.
    #[expect(unsafe_code, reason = "calls C++")]
    let text = unsafe { augtrial_order_gradients(lent.as_ptr(), parameters.len()) };
    outcome(text)
}

/// `torch.optim.Optimizer.zero_grad(set_to_none=True)`: the next backward pass hands its gradients over instead of adding them
/// to zeros, which saves two passes over memory.
///
/// # Errors
/// Whatever LibTorch reports.
pub(super) fn drop_gradients(parameters: &[Tensor]) -> Result<(), TchError> {
    let lent = Lent::of(parameters);
    // SAFETY: the list has `parameters.len()` pointers to tensors that live for the call; C++ copies the handles.
    #[expect(unsafe_code, reason = "calls C++")]
    let text = unsafe { augtrial_drop_gradients(lent.as_ptr(), parameters.len()) };
    outcome(text)
}

/// Settings of [`sgd`].
#[derive(Clone, Copy, Debug)]
pub(super) struct SgdStep {
    pub(super) weight_decay: f64,
    pub(super) momentum: f64,
    pub(super) learning_rate: f64,
    pub(super) nesterov: bool,
}

/// Settings of [`adamw`]; `update` counts from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdamWStep {
    pub(super) update: u64,
    pub(super) learning_rate: f64,
    pub(super) beta1: f64,
    pub(super) beta2: f64,
    pub(super) weight_decay: f64,
    pub(super) epsilon: f64,
}

/// `torch.optim.SGD(fused=True)` without dampening, on lists of equal length and layouts.
///
/// # Errors
/// Whatever LibTorch reports, or that a tensor's layout is not its parameter's.
pub(super) fn sgd(
    parameters: &[Tensor],
    gradients: &[Tensor],
    momenta: &[Tensor],
    step: SgdStep,
) -> Result<(), TchError> {
    assert!(parameters.len() == gradients.len() && parameters.len() == momenta.len(), "one of each for a parameter");
    let (w, g, m) = (Lent::of(parameters), Lent::of(gradients), Lent::of(momenta));
    let SgdStep { weight_decay, momentum, learning_rate, nesterov } = step;
    // SAFETY: each list has `parameters.len()` pointers to tensors that live for the call; C++ copies the handles.
    #[expect(unsafe_code, reason = "calls C++")]
    let text = unsafe {
        augtrial_sgd(
            w.as_ptr(),
            g.as_ptr(),
            m.as_ptr(),
            parameters.len(),
            weight_decay,
            momentum,
            learning_rate,
            nesterov,
        )
    };
    outcome(text)
}

/// `torch.optim.AdamW(fused=True)`, on lists of equal length and layouts.
///
/// # Errors
/// Whatever LibTorch reports, or that a tensor's layout is not its parameter's.
pub(super) fn adamw(
    parameters: &[Tensor],
    gradients: &[Tensor],
    means: &[Tensor],
    mean_squares: &[Tensor],
    step: AdamWStep,
) -> Result<(), TchError> {
    let count = parameters.len();
    assert!([gradients, means, mean_squares].iter().all(|list| list.len() == count), "one of each for a parameter");
    let (w, g, m, v) = (Lent::of(parameters), Lent::of(gradients), Lent::of(means), Lent::of(mean_squares));
    let AdamWStep { update, learning_rate, beta1, beta2, weight_decay, epsilon } = step;
    // SAFETY: each list has `count` pointers to tensors that live for the call; C++ copies the handles.
    #[expect(unsafe_code, reason = "calls C++")]
    let text = unsafe {
        augtrial_adamw(
            w.as_ptr(),
            g.as_ptr(),
            m.as_ptr(),
            v.as_ptr(),
            count,
            update as f64,
            learning_rate,
            beta1,
            beta2,
            weight_decay,
            epsilon,
        )
    };
    outcome(text)
}

/// Null is success; else the text of an exception, which is taken over.
pub(crate) fn outcome(text: *mut c_char) -> Result<(), TchError> {
    text_of(text).map_or(Ok(()), |message| Err(TchError::Torch(message)))
}

/// The text that a call into C++ gave, `None` if it gave none.
pub(crate) fn text_of(text: *mut c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: a text that is not null ends with a zero, belongs to the caller, and is freed once, here, after the copy.
    #[expect(unsafe_code, reason = "takes over a text of C++")]
    let copy = unsafe {
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        augtrial_free_text(text);
        copy
    };
    Some(copy)
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::networks::channels_last;

    fn product_kind() -> Kind {
        let ones = Tensor::ones([2, 2], (Kind::Float, Device::Cpu));
        ones.matmul(&ones).kind()
    }

    #[test]
    fn page_locked_memory_holds_the_same_and_needs_a_gpu() {
        let tensor = Tensor::arange(6, (Kind::Float, Device::Cpu));
        match page_locked(&tensor) {
            Ok(copy) => assert!(tch::Cuda::is_available() && copy.equal(&tensor)),
            Err(error) => assert!(!tch::Cuda::is_available(), "{error}"),
        }
    }

    #[test]
    fn a_region_computes_in_bf16_and_ends_with_its_scope() {
        assert_eq!(product_kind(), Kind::Float);
        {
            let _outer = Bf16Region::begin(Device::Cpu).unwrap();
            {
                let _inner = Bf16Region::begin(Device::Cpu).unwrap();
                assert_eq!(product_kind(), Kind::BFloat16);
            }
            assert_eq!(product_kind(), Kind::BFloat16, "an inner region leaves the outer one on");
        }
        assert_eq!(product_kind(), Kind::Float);
    }

    #[test]
    fn gradients_come_in_the_order_of_their_kernels_with_the_same_bits() {
        let options = (Kind::Float, Device::Cpu);
        let images = channels_last(&Tensor::arange(4 * 5 * 9 * 7, options).sin().view([4, 5, 9, 7]));
        for size in [[6, 5, 3, 3], [8, 5, 2, 3], [1, 5, 1, 4]] {
            let kernel = || channels_last(&Tensor::ones(size, options)).set_requires_grad(true);
            let [ordered, plain] = [kernel(), kernel()];
            order_gradients(&[ordered.shallow_clone()]).unwrap();
            for kernel in [&ordered, &plain] {
                let made = images.conv2d(kernel, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1);
                (&made * &made).sum(Kind::Float).backward();
            }
            assert!(ordered.grad().equal(&plain.grad()), "{size:?}");
            assert_eq!(ordered.grad().stride(), ordered.stride(), "{size:?}");
        }
    }

    #[test]
    fn a_region_is_of_its_thread_alone() {
        let _region = Bf16Region::begin(Device::Cpu).unwrap();
        assert_eq!(std::thread::spawn(product_kind).join().unwrap(), Kind::Float);
    }

    #[test]
    fn dropped_gradients_are_gone_and_the_next_ones_are_not_added_to_them() {
        let w = Tensor::from_slice(&[1.0_f32, 2.0]).set_requires_grad(true);
        for _ in 0..2 {
            drop_gradients(std::slice::from_ref(&w)).unwrap();
            assert!(!w.grad().defined());
            (&w * 3.0).sum(Kind::Float).backward();
            assert_eq!(Vec::<f32>::try_from(w.grad()).unwrap(), [3.0, 3.0]);
        }
    }

    #[test]
    fn an_exception_becomes_an_error() {
        let options = (Kind::Float, Device::Cpu);
        let (w, g) = (Tensor::zeros([2, 3], options), Tensor::zeros([3, 2], options).transpose(0, 1));
        let step = SgdStep { weight_decay: 0.0, momentum: 0.0, learning_rate: 0.1, nesterov: false };
        let error = sgd(&[w.shallow_clone()], &[g], &[w.zeros_like()], step).unwrap_err();
        assert!(error.to_string().contains("differ in layout"), "{error}");
        let missing = Tensor::new();
        let error = sgd(&[w.shallow_clone()], &[missing], &[w.zeros_like()], step).unwrap_err();
        assert!(error.to_string().contains("no gradient"), "{error}");
    }
}
