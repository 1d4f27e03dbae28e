import pytest

from steelexp.errors import UserError
from steelexp.lazy import tf
from steelexp.training import precision
from steelexp.training.precision import check_precision, evaluation_precision, has_bfloat16


@pytest.fixture
def machine(monkeypatch):
    """A function that gives this machine features of the processor, or GPUs."""

    def has(*features, gpus=()):
        monkeypatch.setattr(precision, "features_here", lambda: frozenset(features))
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(range(len(gpus))))
        monkeypatch.setattr(
            tf.config.experimental,
            "get_device_details",
            lambda gpu: {"compute_capability": gpus[gpu]},
        )

    return has


@pytest.mark.parametrize("feature", ["amx", "avx512_bf16"])
def test_a_processor_with_either_feature_trains_in_bfloat16(machine, feature, capsys):
    machine("avx2", "avx512", feature)
    check_precision("mixed_bfloat16")
    assert evaluation_precision("mixed_bfloat16") == "mixed_bfloat16"
    assert capsys.readouterr().out == ""


def test_elsewhere_it_is_refused_with_the_way_out(machine):
    machine("avx2", "avx512")
    with pytest.raises(UserError, match=r"neither AMX nor AVX512_BF16.* training\.precision=float"):
        check_precision("mixed_bfloat16")
    check_precision("float32")


def test_elsewhere_its_networks_are_evaluated_in_float32(machine, capsys):
    machine("avx2", "avx512")
    assert evaluation_precision("mixed_bfloat16") == "float32"
    assert capsys.readouterr().out == (
        "trained in mixed_bfloat16, which this machine does not have: evaluated in float32\n"
    )
    assert evaluation_precision("mixed_float16") == "mixed_float16"


def test_every_gpu_needs_bfloat16_whatever_the_processor_has(machine):
    machine("gpu", "avx512_bf16", gpus=[(9, 0), (8, 0)])
    assert has_bfloat16()
    machine("gpu", "avx512_bf16", gpus=[(9, 0), (7, 5)])
    assert not has_bfloat16()
