//! A `TorchScript` module with what tch does not offer: loading a trace onto another device than it was made on, buffers, modes by
//! submodule, and calls whose bits do not depend on how often it was called before.
//!
//! `module.cpp` holds the C++ side, compiled by `build.rs`. One of the places where `unsafe` is allowed: every function here
//! is safe to call, and says at each call across the border why. PyTorch calls `TorchScript` deprecated; all that augtrial
//! uses of it is in these two files.

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::{self, NonNull};

use tch::{Device, Kind, TchError, Tensor};
use torch_sys::C_tensor;

use crate::train::aten::outcome;

/// Type of a module behind pointers, `torch::jit::Module` in C++.
#[repr(C)]
struct ScriptModule {
    _opaque: [u8; 0],
}

/// Takes over a tensor.
type See = extern "C" fn(data: *mut c_void, name: *const c_char, is_buffer: bool, tensor: *mut C_tensor);

#[expect(unsafe_code, reason = "declares the functions of module.cpp")]
unsafe extern "C" {
    fn augtrial_script_load(path: *const c_char, device: *const c_char, loaded: *mut *mut ScriptModule) -> *mut c_char;
    fn augtrial_script_cast(module: *mut ScriptModule, scalar_type: i8) -> *mut c_char;
    fn augtrial_script_copy(module: *const ScriptModule, copy: *mut *mut ScriptModule) -> *mut c_char;
    fn augtrial_script_free(module: *mut ScriptModule);
    fn augtrial_script_tensors(module: *const ScriptModule, data: *mut c_void, see: See) -> *mut c_char;
    fn augtrial_script_mode(
        module: *mut ScriptModule,
        train: bool,
        kept: *const *const c_char,
        count: usize,
    ) -> *mut c_char;
    fn augtrial_script_call(
        module: *mut ScriptModule,
        method: *const c_char,
        inputs: *const *const C_tensor,
        inputs_count: usize,
        optimize: bool,
        outputs: *mut *mut C_tensor,
        outputs_count: usize,
    ) -> *mut c_char;
}

/// How a method's graph is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Graph {
    /// As it is. Optimized graphs are compiled after some calls, and would compute other bits from then on than before, so that a
    /// resumed trial would differ from one that was never stopped.
    AsItIs,
    /// Compiled after some calls.
    Optimized,
}

/// A module.
#[derive(Debug)]
pub(crate) struct Module(NonNull<ScriptModule>);

// SAFETY: a module of LibTorch belongs to no thread; what it shares with others is counted atomically.
#[expect(unsafe_code, reason = "a pointer is not `Send` by itself")]
unsafe impl Send for Module {}

/// A tensor of a module, which shares its memory.
#[derive(Debug)]
pub(crate) struct Member {
    /// With the names of the modules that it is in, separated by dots.
    pub(crate) name: String,
    /// Not a parameter: nothing that an optimizer moves.
    pub(crate) is_buffer: bool,
    pub(crate) tensor: Tensor,
}

impl Module {
    /// Loads a module onto a device. It is code: check its digest first.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(crate) fn load(path: &Path, device: Device) -> Result<Self, TchError> {
        match device {
            Device::Cuda(index) => Self::load_onto(path, &format!("cuda:{index}")),
            _ => Self::load_onto(path, "cpu"),
        }
    }

    /// The same with LibTorch's own name of the device.
    fn load_onto(path: &Path, device: &str) -> Result<Self, TchError> {
        let (path, device) = (CString::new(path.as_os_str().as_encoded_bytes())?, CString::new(device)?);
        let mut loaded = ptr::null_mut();
        // SAFETY: both texts end with a zero and live for the call; `loaded` is a live pointer of this frame.
        #[expect(unsafe_code, reason = "calls C++")]
        let text = unsafe { augtrial_script_load(path.as_ptr(), device.as_ptr(), &raw mut loaded) };
        outcome(text)?;
        Ok(Self(NonNull::new(loaded).expect("a module that was loaded")))
    }

    /// Casts every floating-point parameter and buffer.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as memory running out.
    pub(crate) fn cast(&self, kind: Kind) -> Result<(), TchError> {
        // Numbers of `c10::ScalarType`.
        let scalar_type = match kind {
            Kind::Half => 5,
            Kind::Float => 6,
            Kind::BFloat16 => 15,
            _ => return Err(TchError::Kind(format!("no network computes in {kind:?}"))),
        };
        // SAFETY: the module lives as long as `self`; the type is one of LibTorch's.
        #[expect(unsafe_code, reason = "calls C++")]
        let text = unsafe { augtrial_script_cast(self.0.as_ptr(), scalar_type) };
        outcome(text)
    }

    /// A copy with tensors of its own.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as memory running out.
    pub(crate) fn copy(&self) -> Result<Self, TchError> {
        let mut copy = ptr::null_mut();
        // SAFETY: the module lives as long as `self`; `copy` is a live pointer of this frame.
        #[expect(unsafe_code, reason = "calls C++")]
        let text = unsafe { augtrial_script_copy(self.0.as_ptr(), &raw mut copy) };
        outcome(text)?;
        Ok(Self(NonNull::new(copy).expect("a module that was copied")))
    }

    /// Every parameter, then every buffer, in the module's order.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(crate) fn members(&self) -> Result<Vec<Member>, TchError> {
        extern "C" fn see(data: *mut c_void, name: *const c_char, is_buffer: bool, tensor: *mut C_tensor) {
            // SAFETY: `data` is the list below, which nothing else uses during the call; the name ends with a zero and
            // lives for this call; the tensor's handle is given over.
            #[expect(unsafe_code, reason = "takes over tensors of C++")]
            unsafe {
                let name = CStr::from_ptr(name).to_string_lossy().into_owned();
                let members = &mut *data.cast::<Vec<Member>>();
                members.push(Member { name, is_buffer, tensor: Tensor::from_ptr(tensor) });
            }
        }
        let mut members: Vec<Member> = Vec::new();
        // SAFETY: the module lives as long as `self`; `see` is called within the call alone, with this list.
        #[expect(unsafe_code, reason = "calls C++")]
        let text = unsafe { augtrial_script_tensors(self.0.as_ptr(), (&raw mut members).cast(), see) };
        outcome(text)?;
        Ok(members)
    }

    /// Puts every submodule into training mode, but those within `kept` into evaluation mode.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(crate) fn train(&self, kept: &[String]) -> Result<(), TchError> {
        self.set_mode(true, kept)
    }

    /// Puts every submodule into evaluation mode.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(crate) fn evaluate(&self) -> Result<(), TchError> {
        self.set_mode(false, &[])
    }

    fn set_mode(&self, train: bool, kept: &[String]) -> Result<(), TchError> {
        let kept = kept.iter().map(|name| CString::new(name.as_str())).collect::<Result<Vec<_>, _>>()?;
        let pointers: Vec<*const c_char> = kept.iter().map(|name| name.as_ptr()).collect();
        // SAFETY: the module lives as long as `self`, and only this thread can have it; the names live for the call.
        #[expect(unsafe_code, reason = "calls C++")]
        let text = unsafe { augtrial_script_mode(self.0.as_ptr(), train, pointers.as_ptr(), pointers.len()) };
        outcome(text)
    }

    /// The `N` tensors that a method makes of `inputs`.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as a shape that the module does not take, or that the method gives fewer or more.
    pub(crate) fn call<const N: usize>(
        &self,
        method: &CStr,
        inputs: &[&Tensor],
        graph: Graph,
    ) -> Result<[Tensor; N], TchError> {
        let inputs: Vec<*const C_tensor> = inputs.iter().map(|tensor| tensor.as_ptr()).collect();
        let mut outputs = [ptr::null_mut(); N];
        // SAFETY: module, method and inputs live for the call, which writes `N` handles that are given over, or none.
        #[expect(unsafe_code, reason = "calls C++")]
        unsafe {
            outcome(augtrial_script_call(
                self.0.as_ptr(),
                method.as_ptr(),
                inputs.as_ptr(),
                inputs.len(),
                graph == Graph::Optimized,
                outputs.as_mut_ptr(),
                N,
            ))?;
            Ok(outputs.map(|output| Tensor::from_ptr(output)))
        }
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: the module is this value's own, and is freed once. Tensors that share its memory keep it alive.
        #[expect(unsafe_code, reason = "calls C++")]
        unsafe {
            augtrial_script_free(self.0.as_ptr());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LibTorch's device of tensors that have shapes and no values.
    const META: &str = "meta";

    #[test]
    fn a_trace_of_the_cpu_makes_its_tensors_wherever_it_is_loaded() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/script/times.pt");
        let module = Module::load_onto(&file, META).unwrap();
        let times = module.members().unwrap().swap_remove(0).tensor.expand([3], false);
        let [found] = module.call(c"forward", &[&times], Graph::AsItIs).unwrap();
        assert_eq!(found.size(), [3, 4]);
        let module = Module::load(&file, Device::Cpu).unwrap();
        let [found] = module.call(c"forward", &[&Tensor::from_slice(&[2.0_f32])], Graph::AsItIs).unwrap();
        assert_eq!(Vec::<f32>::try_from(found.view([-1])).unwrap(), [0.0, 2.0, 4.0, 6.0]);
    }

    #[test]
    fn another_number_of_outputs_is_an_error() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ip2p/bundle/vae_decoder.pt");
        let module = Module::load(&file, Device::Cpu).unwrap();
        let latents = Tensor::zeros([1, 4, 8, 8], (Kind::Float, Device::Cpu));
        let error = tch::no_grad(|| module.call::<2>(c"forward", &[&latents], Graph::AsItIs)).unwrap_err();
        assert!(error.to_string().contains("another number of tensors than 2"), "{error}");
    }
}
