import pytest

from steelexp.__main__ import main
from steelexp.command_line import program


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "evaluate runs --windows gaussian",
            (
                "evaluate --windows: it was renamed; write --inference (gaussian is sliding now, "
                "tiles is published)"
            ),
        ),
        ("evaluate runs --flips", "evaluate --flips: it was renamed; write --tta"),
        ("evaluate runs --pictures a", "evaluate --pictures: it was renamed; write --overlays"),
        ("export runs --strips a", "export --strips: it was renamed; write --images"),
        ("predict r a --engine onnx", "predict --engine: it was renamed; write --runtime"),
        ("reproduce r --within=0.1", "reproduce --within: it was renamed; write --tolerance"),
        ("run a.yaml --engine ray", "run --engine: it was renamed; write --executor"),
        (
            "data draw set --strips 3",
            f"data draw: it was renamed; type: {program()} data generate set --strips 3",
        ),
    ],
)
def test_what_was_renamed_is_one_line_with_the_new_name(capsys, words, message):
    assert main(words.split()) == 2
    assert capsys.readouterr().err == f"steelexp: {message}\n"


def test_an_option_of_another_command_stays_its_own(capsys):
    with pytest.raises(SystemExit):
        main(["data", "generate", "set", "--strips", "3", "--help"])  # --strips is still its own
    assert "--strips" in capsys.readouterr().out
