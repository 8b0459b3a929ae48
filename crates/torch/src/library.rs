//! The LibTorch that this process runs with: its version, its place, and its CUDA side, which is loaded where it can be used.
//!
//! The program is linked with LibTorch's CPU side alone, so that one binary runs with both builds of LibTorch. The CUDA side
//! registers itself when `libtorch_cuda.so` is loaded. That must happen before LibTorch first asks for a GPU, since it keeps the
//! answer (`getCUDAHooks` in `aten/src/ATen/detail/CUDAHooksInterface.cpp`). The library and what it needs take some 3 GB, so it
//! stays out of processes that have no driver. One of the places where `unsafe` is allowed: see [`loaded`].

use std::ffi::{CString, c_char};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::train::aten::text_of;

/// LibTorch's CUDA side, beside its CPU side.
const CUDA_LIBRARY: &str = "libtorch_cuda.so";
/// The library of NVIDIA's driver, which no package of Python brings.
const DRIVER_LIBRARY: &str = "libcuda.so.1";
/// NVIDIA's variable for the GPUs that a process may see.
const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

#[expect(unsafe_code, reason = "declares the functions of library.cpp")]
unsafe extern "C" {
    fn augtrial_abi_version() -> u64;
    fn augtrial_library_file() -> *mut c_char;
    fn augtrial_load(file: *const c_char) -> *mut c_char;
    fn augtrial_gpu_name(index: i32) -> *mut c_char;
    fn augtrial_gpu_free_bytes(index: i32, free_bytes: *mut u64) -> *mut c_char;
    fn augtrial_use_deterministic_algorithms();
    fn augtrial_is_deterministic() -> bool;
}

/// The LibTorch of this process.
#[derive(Debug)]
pub(crate) struct Library {
    /// Version of the library that is loaded, such as `2.13.0`.
    pub(crate) version: String,
    /// Its folder; empty where the system does not tell.
    pub(crate) folder: PathBuf,
    /// Why its CUDA side is not loaded, if it is not.
    pub(crate) no_cuda: Option<NoCuda>,
}

/// Why no GPU can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoCuda {
    /// LibTorch has no CUDA side.
    CpuBuild { folder: PathBuf },
    /// `CUDA_VISIBLE_DEVICES` hides every GPU.
    Hidden,
    /// There is no driver of NVIDIA's on this machine.
    NoDriver,
    /// The CUDA side cannot be loaded.
    Failed { reason: String },
    /// Everything is loaded, and there is no GPU that the driver shows.
    NoDevice,
}

impl fmt::Display for NoCuda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CpuBuild { folder } => {
                write!(f, "this LibTorch is built for CPUs only: {} has no {CUDA_LIBRARY}", folder.display())
            }
            Self::Hidden => write!(f, "{VISIBLE} hides every GPU"),
            Self::NoDriver => write!(f, "this machine has no NVIDIA driver ({DRIVER_LIBRARY} is not found)"),
            Self::Failed { reason } => write!(f, "LibTorch's CUDA libraries cannot be loaded: {reason}"),
            Self::NoDevice => write!(f, "the NVIDIA driver shows no GPU that works; `nvidia-smi` tells more"),
        }
    }
}

/// The LibTorch of this process. The first call loads its CUDA side, if there is one and a driver; call it before anything
/// asks LibTorch for a GPU.
pub(crate) fn loaded() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let file = library_file().unwrap_or_default();
        let folder = file.parent().unwrap_or(Path::new(""));
        // The run path has `..` in it.
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        // SAFETY: takes nothing and returns a number.
        #[expect(unsafe_code, reason = "calls C++")]
        let version = version_of(unsafe { augtrial_abi_version() });
        let visible = std::env::var(VISIBLE).ok();
        let no_cuda = load_cuda(&folder, visible.as_deref(), load).err();
        Library { version, folder, no_cuda }
    })
}

/// How many GPUs can be used, at least one.
///
/// # Errors
/// Why none can.
pub(crate) fn gpus() -> Result<usize, NoCuda> {
    match &loaded().no_cuda {
        Some(reason) => Err(reason.clone()),
        None => match usize::try_from(tch::Cuda::device_count()) {
            Ok(count @ 1..) => Ok(count),
            _ => Err(NoCuda::NoDevice),
        },
    }
}

/// Memory of a GPU that no process uses; unknown where the driver does not tell.
pub(crate) fn gpu_free_bytes(index: usize) -> Option<u64> {
    let mut free_bytes = 0;
    // SAFETY: the pointer is to a live number of this frame; the function keeps nothing.
    #[expect(unsafe_code, reason = "calls C++")]
    let text = unsafe { augtrial_gpu_free_bytes(i32::try_from(index).ok()?, &raw mut free_bytes) };
    text_of(text).is_none().then_some(free_bytes)
}

/// A GPU's name, such as `NVIDIA H100 80GB HBM3`; unknown where the driver tells none.
pub(crate) fn gpu_name(index: usize) -> Option<String> {
    let index = i32::try_from(index).ok()?;
    // SAFETY: takes a number; a text that is not null ends with a zero and belongs to this process.
    #[expect(unsafe_code, reason = "calls C++")]
    let text = unsafe { augtrial_gpu_name(index) };
    text_of(text)
}

/// Has LibTorch take deterministic algorithms alone, for the rest of this process. cuBLAS needs `CUBLAS_WORKSPACE_CONFIG` for it,
/// which `augtrial` sets for the programs that it starts.
pub(crate) fn use_deterministic_algorithms() {
    // SAFETY: takes nothing and sets plain state.
    #[expect(unsafe_code, reason = "calls C++")]
    unsafe {
        augtrial_use_deterministic_algorithms();
    }
}

/// Whether it takes deterministic algorithms alone.
pub(crate) fn is_deterministic() -> bool {
    // SAFETY: takes nothing and reads plain state.
    #[expect(unsafe_code, reason = "calls C++")]
    unsafe {
        augtrial_is_deterministic()
    }
}

/// Loads the driver's library and then LibTorch's CUDA side, in this order: the second takes seconds and gigabytes.
fn load_cuda(folder: &Path, visible: Option<&str>, load: impl Fn(&Path) -> Result<(), String>) -> Result<(), NoCuda> {
    let library = folder.join(CUDA_LIBRARY);
    if !library.is_file() {
        return Err(NoCuda::CpuBuild { folder: folder.to_owned() });
    }
    // Devices are listed up to the first index that means nothing, so that these list none.
    if visible.is_some_and(|visible| visible.trim().is_empty() || visible.trim().starts_with('-')) {
        return Err(NoCuda::Hidden);
    }
    load(Path::new(DRIVER_LIBRARY)).map_err(|_| NoCuda::NoDriver)?;
    load(&library).map_err(|reason| NoCuda::Failed { reason })
}

/// `2.13.0` from LibTorch's `TORCH_ABI_VERSION`: major, minor and patch are its highest bytes.
fn version_of(abi: u64) -> String {
    let [major, minor, patch, ..] = abi.to_be_bytes();
    format!("{major}.{minor}.{patch}")
}

/// Loads a library for good.
fn load(file: &Path) -> Result<(), String> {
    let name = CString::new(file.as_os_str().as_encoded_bytes()).map_err(|error| error.to_string())?;
    // SAFETY: the name ends with a zero and lives for the call. Only libraries of LibTorch and of the driver are named here,
    // which are made to be loaded into running programs.
    #[expect(unsafe_code, reason = "calls C++")]
    let text = unsafe { augtrial_load(name.as_ptr()) };
    text_of(text).map_or(Ok(()), Err)
}

/// The file that LibTorch's CPU side was loaded from.
fn library_file() -> Option<PathBuf> {
    // SAFETY: takes nothing; a text that is not null ends with a zero and belongs to this process.
    #[expect(unsafe_code, reason = "calls C++")]
    let text = unsafe { augtrial_library_file() };
    text_of(text).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_that_is_loaded_is_the_one_that_the_program_was_linked_with() {
        let library = loaded();
        assert_eq!(library.version, env!("AUGTRIAL_LIBTORCH_VERSION"));
        assert!(library.folder.join("libtorch_cpu.so").is_file(), "{library:?}");
    }

    #[test]
    fn a_version_is_the_three_highest_bytes() {
        assert_eq!(version_of(0x020d_0100_0000_0000), "2.13.1");
    }

    #[test]
    fn every_reason_why_there_is_no_gpu_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let no_driver = |file: &Path| if file.ends_with(DRIVER_LIBRARY) { Err("none".to_owned()) } else { Ok(()) };
        let broken = |file: &Path| if file.ends_with(CUDA_LIBRARY) { Err("no libcudnn".to_owned()) } else { Ok(()) };
        let found = load_cuda(folder.path(), None, |_| Ok(())).unwrap_err();
        assert_eq!(found, NoCuda::CpuBuild { folder: folder.path().to_owned() });
        std::fs::write(folder.path().join(CUDA_LIBRARY), "").unwrap();
        assert_eq!(load_cuda(folder.path(), None, no_driver), Err(NoCuda::NoDriver));
        assert_eq!(load_cuda(folder.path(), None, broken), Err(NoCuda::Failed { reason: "no libcudnn".to_owned() }));
        for hidden in ["", " ", "-1"] {
            assert_eq!(load_cuda(folder.path(), Some(hidden), |_| Ok(())), Err(NoCuda::Hidden), "{hidden:?}");
        }
        assert_eq!(load_cuda(folder.path(), Some("0"), |_| Ok(())), Ok(()));
    }

    /// A driver of two GPUs, compiled here: few machines that run this test have one.
    const DRIVER: &str = r#"
        #include <string.h>
        int cuInit(unsigned flags) { return flags != 0; }
        int cuDeviceGet(int *device, int index) { *device = index + 40; return index > 1 ? 101 : 0; }
        int cuDeviceGetName(char *name, int length, int device) {
            strncpy(name, device == 40 ? "Test GPU A" : "Test GPU B", length);
            return 0;
        }
    "#;

    #[test]
    fn a_gpu_is_called_what_its_driver_calls_it() {
        if tch::Cuda::device_count() > 0 {
            assert!(gpu_name(0).is_some_and(|name| !name.is_empty()));
            return;
        }
        assert_eq!(gpu_name(0), None, "without a driver");
        let folder = tempfile::tempdir().unwrap();
        let (source, library) = (folder.path().join("driver.c"), folder.path().join("driver.so"));
        std::fs::write(&source, DRIVER).unwrap();
        let compiler =
            std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
        assert!(compiler.unwrap().success());
        load(&library).unwrap();
        assert_eq!(gpu_name(0).as_deref(), Some("Test GPU A"));
        assert_eq!(gpu_name(1).as_deref(), Some("Test GPU B"));
        assert_eq!(gpu_name(2), None, "no such GPU");
    }

    #[test]
    fn a_library_that_is_not_there_gives_the_loaders_reason() {
        let reason = load(Path::new("/no/such/library.so")).unwrap_err();
        assert!(reason.contains("/no/such/library.so"), "{reason}");
    }
}
