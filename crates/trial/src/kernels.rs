//! Which of LibTorch's CPU kernels compute: the environment that pins them, and what this processor has. Needs no LibTorch.
//!
//! LibTorch contains three libraries that choose kernels by the processor: `ATen`, oneDNN (convolutions) and MKL (matrix
//! products, and square roots, logarithms and exponentials of tensors). Each reads a variable when it first computes, so
//! kernels are pinned for a whole process, before it starts. `tools/pinned_kernels.py` does the same for fixtures.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::Command;

use augtrial_plan::classifier::Kernels;

const ATEN: &str = "ATEN_CPU_CAPABILITY";
const ONEDNN: &str = "ONEDNN_MAX_CPU_ISA";
const ONEDNN_FORMER: &str = "DNNL_MAX_CPU_ISA";
const MKL: &str = "MKL_CBWR";

/// Values of the variables for `avx2`. `COMPATIBLE` is the only branch of MKL that processors of Intel and AMD share: on AMD,
/// MKL takes `AVX2` for `AUTO` without a warning.
const AVX2: [(&str, &str); 3] = [(ATEN, "avx2"), (ONEDNN, "AVX2"), (MKL, "COMPATIBLE")];
/// Values of the variables for `portable`.
const PORTABLE: [(&str, &str); 3] = [(ATEN, "default"), (ONEDNN, "SSE41"), (MKL, "COMPATIBLE")];
/// Variables that can override those above, or change the arithmetic: pinned kernels run without them.
const CLEARED: [&str; 7] = [
    ONEDNN_FORMER,
    "ONEDNN_CPU_ISA_HINTS",
    "DNNL_CPU_ISA_HINTS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_VML_DEBUG_CPU_TYPE",
];

/// How many times as long as in fp32 a training step takes in bf16 where bf16 is emulated. Measured with ResNet18 at 96x72 px,
/// batch 32, on an AVX2 processor.
pub const EMULATED_BF16_SLOWDOWN: f64 = 10.7;

/// Why kernels cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelsError {
    #[error(
        "`kernels = \"{kernels}\"` needs {needs}, which this processor lacks: run it on another machine, or choose other kernels; \
         trials with other kernels are other trials"
    )]
    Unsupported { kernels: &'static str, needs: &'static str },
    #[error(
        "`kernels = \"{kernels}\"` needs {variable} to be {wanted} when the program starts, and it is {found}: start it through \
         `augtrial`, which sets it"
    )]
    NotInForce { kernels: &'static str, variable: &'static str, wanted: String, found: String },
}

/// Values of the variables that pin `kernels`; none for native ones.
#[must_use]
pub fn environment(kernels: Kernels) -> &'static [(&'static str, &'static str)] {
    match kernels {
        Kernels::Native => &[],
        Kernels::Avx2 => &AVX2,
        Kernels::Portable => &PORTABLE,
    }
}

/// Makes a process compute with `kernels`. For native ones, the environment is left as the user set it.
pub fn pin(command: &mut Command, kernels: Kernels) {
    if kernels.is_native() {
        return;
    }
    command.envs(environment(kernels).iter().copied());
    for variable in CLEARED {
        command.env_remove(variable);
    }
}

/// Whether this process was started as [`pin`] asks; native kernels are always in force.
#[must_use]
pub fn in_force(kernels: Kernels) -> bool {
    not_in_force(kernels, |name| std::env::var_os(name)).is_none()
}

/// Refuses kernels that this process does not compute with, or that this processor does not have.
///
/// # Errors
/// [`KernelsError`].
pub fn require(kernels: Kernels) -> Result<(), KernelsError> {
    check_processor(kernels)?;
    not_in_force(kernels, |name| std::env::var_os(name)).map_or(Ok(()), Err)
}

fn not_in_force(kernels: Kernels, get: impl Fn(&str) -> Option<OsString>) -> Option<KernelsError> {
    if kernels.is_native() {
        return None;
    }
    let wanted = environment(kernels).iter().map(|&(name, value)| (name, Some(value)));
    let mut wanted = wanted.chain(CLEARED.into_iter().map(|name| (name, None)));
    let (variable, value) = wanted.find(|&(name, value)| get(name) != value.map(OsString::from))?;
    let shown = |value: Option<String>| value.unwrap_or_else(|| "unset".to_owned());
    Some(KernelsError::NotInForce {
        kernels: kernels.name(),
        variable,
        wanted: shown(value.map(str::to_owned)),
        found: shown(get(variable).map(|value| value.to_string_lossy().into_owned())),
    })
}

/// Refuses kernels that this processor does not have: `ATen` does not check, and would crash.
///
/// # Errors
/// [`KernelsError::Unsupported`].
pub fn check_processor(kernels: Kernels) -> Result<(), KernelsError> {
    let needs = match kernels {
        Kernels::Native => return Ok(()),
        Kernels::Avx2 if has_avx2() => return Ok(()),
        Kernels::Avx2 => "an x86-64 processor with AVX2 and FMA",
        Kernels::Portable if has_sse41() => return Ok(()),
        Kernels::Portable => "an x86-64 processor with SSE4.1",
    };
    Err(KernelsError::Unsupported { kernels: kernels.name(), needs })
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

#[cfg(target_arch = "x86_64")]
fn has_sse41() -> bool {
    is_x86_feature_detected!("sse4.1")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn has_sse41() -> bool {
    false
}

/// The variables of this process that choose kernels or change their arithmetic, as they are set.
#[must_use]
pub fn set_here() -> BTreeMap<&'static str, String> {
    let names = AVX2.iter().map(|(name, _)| *name).chain(CLEARED);
    let value = |name| Some((name, std::env::var_os(name)?.to_string_lossy().into_owned()));
    names.filter_map(value).collect()
}

/// Whether convolutions and matrix products in bf16 are emulated on this processor; unknown where the system does not tell.
#[must_use]
pub fn emulates_bf16(kernels: Kernels) -> Option<bool> {
    let limit = || [ONEDNN, ONEDNN_FORMER].into_iter().find_map(|name| std::env::var(name).ok());
    let limit = if kernels.is_native() { limit() } else { Some(environment(kernels)[1].1.to_owned()) };
    emulates(&cpu_flags()?, limit.as_deref())
}

/// By the processor's flags and oneDNN's limit.
fn emulates(flags: &[String], limit: Option<&str>) -> Option<bool> {
    // oneDNN's names of the instruction sets that multiply bf16, and of no limit.
    const ALLOW: [&str; 7] = ["BF16", "FP16", "AMX", "VNNI_2", "AVX10", "ALL", "DEFAULT"];
    const UNITS: [&str; 4] = ["avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"];
    let allowed = limit.is_none_or(|limit| ALLOW.iter().any(|name| limit.to_uppercase().contains(name)));
    let has = flags.iter().any(|flag| UNITS.contains(&flag.as_str()));
    (!flags.is_empty()).then_some(!(allowed && has))
}

/// What the system says that this processor can do, such as `avx2`; absent where it does not say.
#[must_use]
pub fn cpu_flags() -> Option<Vec<String>> {
    flags_in(&std::fs::read_to_string("/proc/cpuinfo").ok()?)
}

/// The first processor's line of `/proc/cpuinfo`: `flags` on x86, `Features` on ARM.
fn flags_in(info: &str) -> Option<Vec<String>> {
    let line = info.lines().find_map(|line| {
        let (name, flags) = line.split_once(':')?;
        ["flags", "Features"].contains(&name.trim()).then_some(flags)
    })?;
    Some(line.split_whitespace().map(str::to_owned).collect())
}

/// A warning for training in bf16 on the CPU, if it is ruinous here.
#[must_use]
pub fn bf16_warning(kernels: Kernels) -> Option<String> {
    if emulates_bf16(kernels) != Some(true) {
        return None;
    }
    let why = if kernels.is_native() {
        "this processor has no bf16 units (AVX512_BF16, AMX or AVX-NE-CONVERT), or they are switched off".to_owned()
    } else {
        format!("`kernels = \"{}\"` uses no bf16 units", kernels.name())
    };
    Some(format!(
        "`precision = \"bf16\"` is emulated here and takes about {EMULATED_BF16_SLOWDOWN} times as long as fp32: {why}; use \
         `precision = \"fp32\"`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(kernels: Kernels) -> BTreeMap<String, OsString> {
        environment(kernels).iter().map(|&(name, value)| (name.to_owned(), value.into())).collect()
    }

    #[test]
    fn kernels_are_in_force_only_with_every_variable_and_none_that_overrides_them() {
        for kernels in [Kernels::Avx2, Kernels::Portable] {
            let set = variables(kernels);
            assert_eq!(not_in_force(kernels, |name| set.get(name).cloned()), None);
            for left_out in set.keys() {
                let get = |name: &str| set.get(name).filter(|_| name != left_out).cloned();
                let error = not_in_force(kernels, get).unwrap().to_string();
                assert!(error.contains(&format!("needs {left_out} to be")) && error.contains("it is unset"), "{error}");
            }
            for more in CLEARED {
                let get = |name: &str| set.get(name).cloned().or_else(|| (name == more).then(|| "1".into()));
                let error = not_in_force(kernels, get).unwrap().to_string();
                assert!(error.contains(&format!("needs {more} to be unset")), "{error}");
            }
        }
        let other = variables(Kernels::Portable);
        assert!(not_in_force(Kernels::Avx2, |name| other.get(name).cloned()).is_some());
        assert_eq!(not_in_force(Kernels::Native, |_| Some("anything".into())), None);
    }

    #[test]
    fn a_command_is_pinned_as_force_is_judged_and_a_native_one_is_left_alone() {
        let mut command = Command::new("program");
        command.env(ONEDNN_FORMER, "AVX512_CORE");
        pin(&mut command, Kernels::Native);
        assert_eq!(command.get_envs().count(), 1);
        pin(&mut command, Kernels::Avx2);
        let set: BTreeMap<_, _> =
            command.get_envs().map(|(name, value)| (name.to_owned(), value.map(OsString::from))).collect();
        assert_eq!(not_in_force(Kernels::Avx2, |name| set.get(&OsString::from(name)).cloned().flatten()), None);
    }

    #[test]
    fn bf16_needs_units_and_leave_to_use_them() {
        let flags = |text: &str| flags_in(text).unwrap();
        let without = flags("processor\t: 0\nflags\t\t: fpu avx avx2 fma avx512f\n");
        let with = flags("flags : avx2 avx512f avx512_bf16\n");
        let arm = flags("Features\t: fp asimd bf16\n");
        assert_eq!(emulates(&without, None), Some(true));
        assert_eq!(emulates(&with, None), Some(false));
        assert_eq!(emulates(&arm, None), Some(false));
        assert_eq!(emulates(&with, Some("AVX2")), Some(true));
        assert_eq!(emulates(&with, Some("AVX512_CORE_BF16")), Some(false));
        assert_eq!(emulates(&[], None), None, "a system that does not tell");
        assert_eq!(flags_in("model name : x\n"), None);
    }

    #[test]
    fn pinned_kernels_emulate_bf16_on_every_processor() {
        for kernels in [Kernels::Avx2, Kernels::Portable] {
            if cpu_flags().is_some() {
                let warning = bf16_warning(kernels).unwrap();
                assert!(
                    warning.contains("10.7 times as long as fp32") && warning.contains(kernels.name()),
                    "{warning}"
                );
            }
        }
    }
}
