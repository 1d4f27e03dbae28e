"""From a YAML file, its ancestors and the command line's overrides to a checked spec."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from steelexp import bounded_yaml
from steelexp.errors import UserError, cut, excerpt
from steelexp.limits import ANCESTORS, KEY_TEXT, LINES, SPEC_BYTES
from steelexp.privacy import without_home, without_secrets
from steelexp.regular_file import read_regular_text
from steelexp.spec.explain import explain, nearest
from steelexp.spec.inheritance import merge, unite
from steelexp.spec.renamed import old_names
from steelexp.spec.schema import ExperimentSpec
from steelexp.spec.secrets import secret_problems
from steelexp.spec.space_problems import space_problems
from steelexp.spec.yaml_tree import (
    Branch,
    Leaf,
    Problem,
    Tree,
    grafted,
    read,
    read_file,
    surprise_of,
)


class SpecError(UserError):
    """A spec that cannot be used; every problem found is listed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        more = ["and more problems; correct these first"] if len(problems) > LINES else []
        lines = [without_secrets(str(problem)) for problem in problems[:LINES]]
        super().__init__(*lines, *more)
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.problems,)


def load(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    model: type[ExperimentSpec],
    notes: list[str] | None = None,
) -> ExperimentSpec:
    """Read a spec, inherit, override, check.

    Args:
        path: YAML file.
        overrides: "dotted.key=value", the value in YAML.
        model: `experiment_model(...)` of the known components.
        notes: List that gets a line for each inherited setting of the model that is dropped.

    Raises:
        SpecError: The spec is wrong; every problem is listed with its file and line.
    """
    problems: list[Problem] = []
    loading = _Loading(model, problems, [] if notes is None else notes)
    tree = loading.inherit(path, ())
    if tree is None:
        raise SpecError(problems)
    orphan = any(problem.key in {"", "extends"} for problem in problems)
    tree = loading.override(tree, overrides)
    if secrets := list(secret_problems(tree)):
        raise SpecError(secrets)
    try:
        spec = model.model_validate(tree.plain())
    except ValidationError as error:
        # Settings of an ancestor that cannot be read are not missing.
        absent = {"missing", "union_tag_not_found"} if orphan else set()
        details = [detail for detail in error.errors() if detail["type"] not in absent]
        problems += _without_consequences(
            [explain(tree, model, detail) for detail in details[: 2 * LINES]], problems
        )
    else:
        problems += space_problems(spec, tree)
    if problems:
        raise SpecError(sorted(problems, key=_position))
    return spec


def dump(spec: ExperimentSpec) -> str:
    """The resolved spec as YAML, every default written out.

    A path below the home folder starts with ${HOME}, which `load` reads back.
    """
    values = spec.model_dump(mode="json")
    return yaml.dump(
        values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None
    )


def read_resolved(path: Path) -> ExperimentSpec:
    """Read a spec that `dump` wrote, without the components' code.

    Args:
        path: spec.yaml of a run folder.

    Raises:
        SpecError: The file is not such a spec, or another version wrote it.
    """
    try:
        values = bounded_yaml.load(read_regular_text(path, SPEC_BYTES), dumped=True)
        if isinstance(values, dict) and (old := next(old_names(values), None)):
            message = (
                f"version 0.1 of steelexp wrote this spec ({old}); write one with the new names"
            )
            raise SpecError([Problem(str(path), "", message)])
        return ExperimentSpec.model_validate(values)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        reason = " ".join(str(error).split())[:500]
        problem = Problem(str(path), "", f"not a spec that this version wrote ({reason})")
        raise SpecError([problem]) from None


class _Dumper(yaml.SafeDumper):
    """Dumper that quotes text which `load` would refuse as a plain word, such as 1e5.

    U+0085 is escaped, which double quotes do: PyYAML writes it as it is and reads a line's end.
    """

    def text(self, value: str) -> yaml.ScalarNode:
        value = without_home(value)
        style = '"' if "\x85" in value else "'" if surprise_of(value) else None
        return self.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _Dumper.text)


@dataclass(frozen=True)
class _Loading:
    """One spec on its way from files and arguments to a tree.

    Attributes:
        model: Model of the spec.
        problems: List of problems, appended to.
        notes: List of notes, appended to.
    """

    model: type[ExperimentSpec]
    problems: list[Problem]
    notes: list[str]

    def inherit(self, path: Path, heirs: tuple[Path, ...]) -> Branch | None:
        """The tree of a file over those of its ancestors; None where the file cannot be read."""
        tree = read_file(path, self.problems)
        if tree is None or "extends" not in tree.items:
            return tree
        items = dict(tree.items)
        parent = items.pop("extends")
        child = Branch(items, tree.where)
        target = self.ancestor(path, parent, heirs)
        inherited = target and self.inherit(target, (*heirs, path.resolve()))
        return merge(inherited, child, self.model, self.notes) if inherited else child

    def ancestor(self, path: Path, parent: Tree, heirs: tuple[Path, ...]) -> Path | None:
        """The file that `extends` names; None where it cannot be inherited from."""
        if not isinstance(parent, Leaf) or not isinstance(parent.value, str):
            wrong = "the path of one spec is expected"
        else:
            target = path.parent / parent.value
            is_file = os.path.isfile(target)  # noqa: PTH113  # Path.is_file raises for long names
            if is_file and target.resolve() not in (*heirs, path.resolve()):
                if len(heirs) < ANCESTORS:
                    return target
                wrong = f"more than {ANCESTORS} specs inherit from one another; unite some"
            elif is_file:
                wrong = f"{target} inherits from this file"
            else:
                near = nearest(parent.value, _specs_beside(target) - {path.name})
                wrong = f"there is no spec {cut(str(target))}{near}"
        self.problems.append(Problem(parent.where, "extends", wrong))
        return None

    def override(self, tree: Branch, overrides: Sequence[str]) -> Branch:
        """Apply all overrides at once, so that their order does not matter."""
        branches = (_branch(override, self.problems) for override in overrides)
        values = unite(branches, tree.where)
        return Branch(merge(tree, values, self.model, self.notes).items, tree.where)


def _branch(override: str, problems: list[Problem]) -> Branch:
    key, equals, text = override.partition("=")
    where = f"argument {excerpt(override, 80)}"
    if len(key) > KEY_TEXT or not key.isprintable():
        problems.append(Problem(where, "", f"a key has at most {KEY_TEXT} printable characters"))
        return Branch({}, where)
    if not equals or not all(key.split(".")):
        problems.append(Problem(where, "", "key=value with a dotted key is expected"))
        return Branch({}, where)
    before = len(problems)
    node: Tree = read(text, lambda line: where, problems) or Leaf(None, where)
    problems[before:] = [Problem(p.where, key, p.message) for p in problems[before:]]
    return grafted(_keys(key), node)


def _keys(dotted: str) -> list[str]:
    """The keys of a dotted path; a setting of a search's space is one key."""
    head, space, path = dotted.partition("search.space.")
    return ["search", "space", path] if space and not head else dotted.split(".")


def _specs_beside(target: Path) -> set[str]:
    folder = target.parent
    is_folder = os.path.isdir(folder)  # noqa: PTH112  # as above
    return {path.name for path in folder.glob("*.yaml")} if is_folder else set()


def _without_consequences(problems: Sequence[Problem], earlier: Sequence[Problem]) -> list[Problem]:
    """Leave out problems that follow from another one at the same key or in a list below it."""
    reported = {(_position(problem)[0], problem.key) for problem in earlier}
    keys = [problem.key for problem in (*problems, *earlier)]
    return [
        problem
        for problem in problems
        if (_position(problem)[0], problem.key) not in reported
        and not any(key.startswith(f"{problem.key}[") for key in keys)
    ]


def _position(problem: Problem) -> tuple[str, int]:
    file, _, line = problem.where.rpartition(":")
    return file, int(line) if line.isdigit() else 0
