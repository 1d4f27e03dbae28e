"""Published schemas, and what each reader says of a file of another version."""

import json
from pathlib import Path

import jsonschema
import pytest

from steelexp.__main__ import main
from steelexp.checksum import with_checksum
from steelexp.errors import UserError
from steelexp.inference.card_text import card_text, read_card
from steelexp.records.audit import read_audit
from steelexp.records.ensemble_file import read_ensemble_file
from steelexp.records.evaluation_report import read_evaluation_report
from steelexp.records.external_evaluation import read_external_evaluations
from steelexp.records.file_schemas import FORMATS, file_schema, schema_name, version_of
from steelexp.records.folds_file import read_folds_file
from steelexp.records.forecast_file import read_forecast
from steelexp.records.model_card import card_of
from steelexp.records.prediction_settings import read_prediction_settings
from steelexp.records.probe_file import read_probe_file
from steelexp.records.record import read_record
from steelexp.records.review import read_review
from steelexp.records.run_file import read_run_file
from steelexp.records.search_file import read_search_file
from tests.file_schemas import check_values
from tests.finished_runs import record
from tests.page_folders import evaluation_values
from tests.simulated_searches import THREE_TRIALS

PUBLISHED = Path(__file__).parents[2] / "docs" / "schemas"

READERS = {
    "record": lambda folder: read_record(folder / "record.json"),
    "run": lambda folder: read_run_file(folder),
    "evaluation": lambda folder: read_evaluation_report(folder, {}),
    "review": read_review,
    "external": lambda folder: list(read_external_evaluations(folder.parents[1])),
    "forecast": read_forecast,
    "search": lambda folder: read_search_file(folder),
    "ensemble": lambda folder: read_ensemble_file(folder),
    "folds": lambda folder: read_folds_file(folder),
    "prediction": lambda folder: read_prediction_settings(folder / "prediction.json"),
    "audit": read_audit,
    "probe": lambda folder: read_probe_file(folder / "probe.json"),
    "card": lambda folder: read_card((folder / "card.json").read_bytes(), folder / "card.json"),
}
"""Every kind but reevaluation.json, which is read by people only."""


@pytest.fixture
def place(tmp_path):
    """A folder where each kind of file is looked for."""
    folder = tmp_path / "evaluations" / "other"
    folder.mkdir(parents=True)
    return folder


class TestSchemas:
    @pytest.mark.parametrize("kind", FORMATS)
    def test_are_published_with_their_version(self, kind):
        """A reader of old files must understand the new ones; if not, raise the version first."""
        file = PUBLISHED / schema_name(kind)
        assert file.is_file(), "make schemas"
        assert json.loads(file.read_bytes()) == file_schema(kind), "make schemas"

    @pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.json")), ids=lambda path: path.name)
    def test_those_of_earlier_versions_stay(self, path):
        schema = json.loads(path.read_bytes())
        jsonschema.Draft202012Validator.check_schema(schema)
        kind, version = path.name.removesuffix(".schema.json").split("-")
        assert schema["$id"] == f"urn:steelexp:{kind}:{version}"
        assert schema["properties"]["schema_version"]["const"] == int(version) <= version_of(kind)

    @pytest.mark.parametrize("kind", FORMATS)
    def test_are_printed_and_describe_every_property(self, kind, capsys):
        assert main(["schema", kind]) == 0
        schema = json.loads(capsys.readouterr().out)
        assert schema == file_schema(kind)
        parts = [schema, *schema.get("$defs", {}).values()]
        entries = [(name, each) for part in parts for name, each in part["properties"].items()]
        assert [name for name, each in entries if "description" not in each] == []

    @pytest.mark.parametrize(
        ("kind", "values"),
        [
            ("record", with_checksum(record().model_dump(mode="json"))),
            ("evaluation", evaluation_values(("1", "2"))),
            ("search", with_checksum(THREE_TRIALS)),
            ("card", json.loads(card_text(card_of(record())))),
        ],
    )
    def test_refuse_what_the_reader_refuses(self, kind, values):
        check_values(kind, values)
        for key in file_schema(kind)["required"]:
            with pytest.raises(jsonschema.ValidationError):
                check_values(kind, {name: value for name, value in values.items() if name != key})
        with pytest.raises(jsonschema.ValidationError):
            check_values(kind, values | {"schema_version": 0})


class TestOtherVersions:
    @pytest.mark.parametrize("version", [0, 99])
    @pytest.mark.parametrize("kind", READERS)
    def test_are_named_in_a_line_with_the_way_out(self, place, kind, version):
        file = place / f"{kind}.json"
        file.write_text(json.dumps(with_checksum({"schema_version": version, "metrics": {}})))
        with pytest.raises(UserError) as caught:
            READERS[kind](place)
        (line,) = caught.value.lines
        assert line.startswith(f"{file}: ")
        assert f"schema_version {version}, and this version of steelexp reads" in line
        assert f"reads {version_of(kind)}; " in line
        assert line.isprintable()

    @pytest.mark.parametrize("kind", READERS)
    def test_a_file_without_a_version_is_named(self, place, kind):
        (place / f"{kind}.json").write_text("{}")
        with pytest.raises(UserError) as caught:
            READERS[kind](place)
        (line,) = caught.value.lines
        assert line.startswith(f"{place / f'{kind}.json'}: ")

    def test_every_kind_has_a_reader(self):
        assert set(READERS) == set(FORMATS) - {"reevaluation"}
