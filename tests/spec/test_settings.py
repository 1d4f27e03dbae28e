from steelexp.spec import flat


def test_sections_become_dotted_keys_and_empty_ones_stay():
    values = {
        "loss": {"name": "dice", "deep": {"gamma": 2.0}},
        "train_fraction": {},
        "a": [1],
        "b": None,
    }
    assert flat(values) == {
        "loss.name": "dice",
        "loss.deep.gamma": 2.0,
        "train_fraction": {},
        "a": [1],
        "b": None,
    }
