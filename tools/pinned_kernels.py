"""Pins LibTorch's CPU kernels, so that results have the same bits on different x86-64 processors.

    import pinned_kernels
    pinned_kernels.require("avx2")    # before torch is imported; restarts the script if the environment differs

LibTorch contains three libraries that choose kernels by processor: ATen, oneDNN (convolutions) and MKL (matrix products, and
square roots, logarithms and exponentials of tensors). Each reads one environment variable when it first computes.
"""

import os
import sys
from pathlib import Path

# COMPATIBLE is the only branch of MKL that Intel and AMD processors share: on AMD, MKL treats AVX2 as AUTO without a warning.
KERNELS = {
    # Needs AVX2 and FMA; ATen does not check for them. oneDNN still blocks some convolutions by cache size: with an L2 cache of
    # 256 KiB, one backward convolution of ResNet18 has other bits than with 384 KiB or more.
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"},
    # Needs SSE4.1.
    "portable": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
}
# Variables that can override those above, or change the arithmetic.
CLEARED = [
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_CPU_ISA_HINTS",
    "DNNL_CPU_ISA_HINTS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_VML_DEBUG_CPU_TYPE",
]
RECORDED_FLAGS = ["sse4_1", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_tile"]


def require(name):
    """Restarts the script with the environment of `KERNELS[name]`, unless this process already has it."""
    environment = {key: value for key, value in os.environ.items() if key not in CLEARED} | KERNELS[name]
    if environment == dict(os.environ):
        return
    if "torch" in sys.modules:
        raise RuntimeError("kernels must be pinned before torch is imported")
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def record(name):
    """How a fixture was made, for its JSON file. Fails if the kernels are not pinned."""
    import torch

    for variable, value in KERNELS[name].items():
        if os.environ.get(variable) != value:
            raise RuntimeError(f"{variable} is not {value}")
    if torch.backends.cpu.get_cpu_capability() != KERNELS[name]["ATEN_CPU_CAPABILITY"].upper():
        raise RuntimeError(f"ATen computes with {torch.backends.cpu.get_cpu_capability()}")
    return dict(name=name, environment=KERNELS[name], threads=torch.get_num_threads(), processor=processor())


def processor():
    """The properties of this processor that kernels and block sizes can depend on."""
    with open("/proc/cpuinfo") as file:
        facts = dict(line.split(":", 1) for line in file if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    flags = facts["flags"].split()
    caches = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            caches[f"l{level}_kib"] = int(size.removesuffix("K"))
    return dict(vendor=facts["vendor_id"], flags=[flag for flag in RECORDED_FLAGS if flag in flags], **caches)
