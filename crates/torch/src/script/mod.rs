//! A `TorchScript` module with what training needs and tch does not offer: its buffers, modes by submodule, and calls whose
//! bits do not depend on how often it was called before.
//!
//! `module.cpp` holds the C++ side, compiled by `build.rs`. One of the places where `unsafe` is allowed: every function here
//! is safe to call, and says at each call across the border why. PyTorch calls `TorchScript` deprecated; all that augtrial
//! uses of it to train is in these two files.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::{self, NonNull};

use tch::{Device, TchError, Tensor};
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
    fn augtrial_script_load(path: *const c_char, cuda: c_int, loaded: *mut *mut ScriptModule) -> *mut c_char;
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
        input: *const C_tensor,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
}

/// A module.
#[derive(Debug)]
pub(super) struct Module(NonNull<ScriptModule>);

/// A tensor of a module, which shares its memory.
#[derive(Debug)]
pub(super) struct Member {
    /// With the names of the modules that it is in, separated by dots.
    pub(super) name: String,
    /// Not a parameter: nothing that an optimizer moves.
    pub(super) is_buffer: bool,
    pub(super) tensor: Tensor,
}

impl Module {
    /// Loads a module onto a device. It is code: check its digest first.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(super) fn load(path: &Path, device: Device) -> Result<Self, TchError> {
        let path = CString::new(path.as_os_str().as_encoded_bytes())?;
        let cuda = if let Device::Cuda(index) = device { c_int::try_from(index).unwrap_or(c_int::MAX) } else { -1 };
        let mut loaded = ptr::null_mut();
        // SAFETY: the path ends with a zero and lives for the call; `loaded` is a live pointer of this frame.
        #[expect(unsafe_code, reason = "calls C++")]
        let text = unsafe { augtrial_script_load(path.as_ptr(), cuda, &raw mut loaded) };
        outcome(text)?;
        Ok(Self(NonNull::new(loaded).expect("a module that was loaded")))
    }

    /// A copy with tensors of its own.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as memory running out.
    pub(super) fn copy(&self) -> Result<Self, TchError> {
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
    pub(super) fn members(&self) -> Result<Vec<Member>, TchError> {
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
    pub(super) fn train(&self, kept: &[String]) -> Result<(), TchError> {
        self.set_mode(true, kept)
    }

    /// Puts every submodule into evaluation mode.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(super) fn evaluate(&self) -> Result<(), TchError> {
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

    /// What a method of one tensor makes of `input`.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as a shape that the module does not take.
    pub(super) fn call(&self, method: &CStr, input: &Tensor) -> Result<Tensor, TchError> {
        let mut output = ptr::null_mut();
        // SAFETY: module, method and input live for the call; the handle of the output is given over.
        #[expect(unsafe_code, reason = "calls C++")]
        unsafe {
            outcome(augtrial_script_call(self.0.as_ptr(), method.as_ptr(), input.as_ptr(), &raw mut output))?;
            Ok(Tensor::from_ptr(output))
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
