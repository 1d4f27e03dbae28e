from pathlib import Path

import pytest

from steelexp.records import machine
from steelexp.records.machine import features, instruction_sets, processor

X86 = """\
processor\t: 0
model name\t: Example CPU @ 2.0GHz
flags\t\t: fpu sse4_1 avx avx2 fma smep avx512f avx_vnni amx_tile rdrand

processor\t: 1
model name\t: Another CPU
flags\t\t: fpu
"""
ARM = """\
processor\t: 0
Features\t: fp asimd asimdhp crc32 sve i8mm bf16
"""


@pytest.fixture
def cpuinfo(tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "_CPUINFO", path)
    monkeypatch.setattr(machine.platform, "processor", lambda: "x86_64")
    return path


def test_x86(cpuinfo):
    cpuinfo.write_text(X86)
    assert processor() == "Example CPU @ 2.0GHz"
    assert instruction_sets() == [
        "amx_tile", "avx", "avx2", "avx512f", "avx_vnni", "fma", "sse4_1",
    ]  # fmt: skip


@pytest.fixture
def sapphire_rapids(cpuinfo, monkeypatch):
    """A processor with every feature, and none of them is hidden."""
    flags = "avx2 fma avx512f avx512bw avx512dq avx512vl avx512_bf16 amx_tile amx_bf16"
    cpuinfo.write_text(f"flags : {flags}")
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("sapphire_rapids")
def test_a_feature_needs_all_of_its_flags(cpuinfo):
    assert features() == {"avx2", "avx512", "avx512_bf16", "amx"}
    cpuinfo.write_text("flags : avx2 fma avx512f avx512_bf16 amx_tile")
    assert features() == {"avx2", "avx512_bf16"}
    cpuinfo.write_text(ARM)
    assert features() == set()


@pytest.mark.usefixtures("sapphire_rapids")
@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("ONEDNN_MAX_CPU_ISA", "avx2", {"avx2"}),
        ("DNNL_MAX_CPU_ISA", "AVX512_CORE", {"avx2", "avx512"}),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16", {"avx2", "avx512", "avx512_bf16"}),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_AMX", {"avx2", "avx512", "avx512_bf16", "amx"}),
        ("ONEDNN_MAX_CPU_ISA", "", {"avx2", "avx512", "avx512_bf16", "amx"}),
        ("TF_ENABLE_ONEDNN_OPTS", "0", set()),
    ],
)
def test_a_variable_hides_features(monkeypatch, variable, value, expected):
    monkeypatch.setenv(variable, value)
    assert features() == expected


def test_arm(cpuinfo):
    cpuinfo.write_text(ARM)
    assert processor() == "x86_64"  # the name that Python knows
    assert instruction_sets() == ["asimd", "asimdhp", "bf16", "i8mm", "sve"]


def test_without_cpuinfo(cpuinfo):
    assert processor() == "x86_64"
    assert instruction_sets() == []


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="this system has no /proc/cpuinfo")
def test_the_processor_of_this_machine():
    assert processor()
    assert instruction_sets()
