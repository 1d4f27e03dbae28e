"""The machine a run computes on: processor, instruction sets, variables that change its arithmetic.

Another instruction set, another number of cores or one of these variables changes the order or the
precision of sums, and with them the last digits of a score.
"""

import os
import platform
import re
from pathlib import Path
from typing import Final, Literal

VARIABLES = (
    # oneDNN: the instruction set it may use, the precision of its sums; both spellings are read.
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "TF_SET_ONEDNN_FPMATH_MODE",
    # TensorFlow: which kernels compute.
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_ENABLE_ZENDNN_OPTS",
    "TF_USE_DEEP_CONV2D",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    # Threads, among which sums are divided. TF_NUM_INTRAOP_THREADS and TF_NUM_INTEROP_THREADS
    # have no effect, since training.runtime sets both numbers.
    "OMP_NUM_THREADS",
    "TF_OVERRIDE_GLOBAL_THREADPOOL",
    "TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD",
    # GPUs: the choice and the precision of cuDNN's and cuBLAS' algorithms.
    "NVIDIA_TF32_OVERRIDE",
    "TF_CUDNN_DETERMINISTIC",
    "TF_CUDNN_USE_AUTOTUNE",
    "TF_CUDNN_WORKSPACE_LIMIT_IN_MB",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_WINOGRAD_NONFUSED",
    "TF_FP16_CONV_USE_FP32_COMPUTE",
    "TF_FP16_MATMUL_USE_FP32_COMPUTE",
    "TF_USE_CUBLASLT",
)
"""Environment variables that can change a number. A new one is added here and nowhere else."""

Feature = Literal["gpu", "amx", "avx512_bf16", "avx512", "avx2"]
"""What choices of kernels and precision depend on. An AMX processor has the rest as well."""

_FLAGS: Final[dict[Feature, frozenset[str]]] = {
    "amx": frozenset({"amx_tile", "amx_bf16"}),
    "avx512_bf16": frozenset({"avx512_bf16"}),
    "avx512": frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"}),
    "avx2": frozenset({"avx2", "fma"}),
}
"""Flags that a feature needs."""

_LIMITS: Final[dict[str, tuple[Feature, ...]]] = {
    "SSE41": (),
    "AVX": (),
    "AVX2": ("avx2",),
    "AVX2_VNNI": ("avx2",),
    "AVX2_VNNI_2": ("avx2",),
    "AVX512_CORE": ("avx2", "avx512"),
    "AVX512_CORE_VNNI": ("avx2", "avx512"),
    "AVX512_CORE_BF16": ("avx2", "avx512", "avx512_bf16"),
    "AVX512_CORE_FP16": ("avx2", "avx512", "avx512_bf16"),
    "AVX10_1_512": ("avx2", "avx512", "avx512_bf16"),
}
"""Value of ONEDNN_MAX_CPU_ISA -> the features that oneDNN may use; with any other value all."""

_CPUINFO = Path("/proc/cpuinfo")

# Flags by which oneDNN and Eigen choose their kernels: x86-64, then Arm.
_INSTRUCTION_SET = re.compile(r"sse4_1|(avx|amx|fma)\w*|f16c|(asimd|sve)\w*|sme2?|i8mm|bf16")


def processor() -> str:
    """The processor's name."""
    return _cpuinfo("model name") or platform.processor()


def instruction_sets() -> list[str]:
    """The processor's vector and matrix instruction sets; empty where the kernel lists none."""
    flags = (_cpuinfo("flags") or _cpuinfo("Features")).split()
    return sorted(flag for flag in flags if _INSTRUCTION_SET.fullmatch(flag))


def features() -> frozenset[Feature]:
    """The features of the processor that oneDNN may use; none where TensorFlow is without it."""
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") in ("0", "false"):
        return frozenset()
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    allowed = _LIMITS.get(limit.upper(), tuple(_FLAGS))
    flags = frozenset(instruction_sets())
    return frozenset(feature for feature in allowed if _FLAGS[feature] <= flags)


def variables() -> dict[str, str]:
    """The variables of `VARIABLES` that are set."""
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}


def _cpuinfo(key: str) -> str:
    """The first value of a key in /proc/cpuinfo, or ""."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return ""
    values = (line.partition(":")[2] for line in lines if line.partition(":")[0].strip() == key)
    return next(values, "").strip()
