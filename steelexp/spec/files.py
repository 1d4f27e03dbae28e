"""From a YAML file, its ancestors and the command line's overrides to a checked spec."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from steelexp.errors import UserError
from steelexp.spec.explain import explain, nearest
from steelexp.spec.inheritance import gather, merge
from steelexp.spec.schema import ExperimentSpec
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
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def load(
    path: Path, overrides: Sequence[str] = (), *, model: type[ExperimentSpec]
) -> ExperimentSpec:
    """Read, inherit, override, check.

    Args:
        path: the YAML file.
        overrides: "dotted.key=value", the value in YAML.
        model: `experiment_model(...)` of the known components.

    Raises:
        SpecError: with every problem found, each with its file and line.
    """
    problems: list[Problem] = []
    tree = _inherit(path, problems, ())
    if tree is None:
        raise SpecError(problems)
    orphan = any(problem.key in {"", "extends"} for problem in problems)
    tree = _override(tree, overrides, problems)
    try:
        spec = model.model_validate(tree.plain())
    except ValidationError as error:
        # What an ancestor that cannot be read would have given is not missing.
        absent = {"missing", "union_tag_not_found"} if orphan else set()
        details = [detail for detail in error.errors() if detail["type"] not in absent]
        problems += _news([explain(tree, model, detail) for detail in details], problems)
    else:
        problems += space_problems(spec, tree)
    if problems:
        raise SpecError(sorted(problems, key=_position))
    return spec


def dump(spec: ExperimentSpec) -> str:
    """The resolved spec as YAML, every default written out."""
    values = spec.model_dump(mode="json")
    return yaml.dump(
        values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None
    )


def read_resolved(path: Path) -> ExperimentSpec:
    """A spec that `dump` wrote, without the components' code.

    Raises:
        SpecError: it is not one, or another version wrote it.
    """
    try:
        return ExperimentSpec.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        reason = " ".join(str(error).split())
        problem = Problem(str(path), "", f"not a spec that this version wrote ({reason})")
        raise SpecError([problem]) from None


class _Dumper(yaml.SafeDumper):
    """Quotes what `load` would refuse as a plain word: a run named 1e5.

    U+0085 is escaped, which double quotes do: PyYAML writes it as it is and reads a line's end.
    """

    def text(self, value: str) -> yaml.ScalarNode:
        style = '"' if "\x85" in value else "'" if surprise_of(value) else None
        return self.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _Dumper.text)


def _inherit(path: Path, problems: list[Problem], heirs: tuple[Path, ...]) -> Branch | None:
    tree = read_file(path, problems)
    if tree is None or "extends" not in tree.items:
        return tree
    items = dict(tree.items)
    parent = items.pop("extends")
    child = Branch(items, tree.where)
    if not isinstance(parent, Leaf) or not isinstance(parent.value, str):
        problems.append(Problem(parent.where, "extends", "the path of one spec is expected"))
        return child
    target = path.parent / parent.value
    if not target.is_file():
        near = nearest(parent.value, _specs_beside(target) - {path.name})
        problems.append(Problem(parent.where, "extends", f"there is no spec {target}{near}"))
        return child
    heirs = (*heirs, path.resolve())
    if target.resolve() in heirs:
        problems.append(Problem(parent.where, "extends", f"{target} inherits from this file"))
        return child
    inherited = _inherit(target, problems, heirs)
    return child if inherited is None else merge(inherited, child)


def _override(tree: Branch, overrides: Sequence[str], problems: list[Problem]) -> Branch:
    """All at once, so that loss.gamma=3 loss.name=focal is the same in either order."""
    given = gather((_branch(override, problems) for override in overrides), tree.where)
    return Branch(merge(tree, given).items, tree.where)


def _branch(override: str, problems: list[Problem]) -> Branch:
    key, equals, text = override.partition("=")
    where = f"argument {override!r}"
    if not equals or not all(key.split(".")):
        problems.append(Problem(where, "", "key=value with a dotted key is expected"))
        return Branch({}, where)
    before = len(problems)
    node: Tree = read(text, lambda line: where, problems) or Leaf(None, where)
    problems[before:] = [Problem(p.where, key, p.message) for p in problems[before:]]
    return grafted(_keys(key), node)


def _keys(dotted: str) -> list[str]:
    """A space has dotted keys itself."""
    head, space, path = dotted.partition("search.space.")
    return ["search", "space", path] if space and not head else dotted.split(".")


def _specs_beside(target: Path) -> set[str]:
    return {path.name for path in target.parent.glob("*.yaml")} if target.parent.is_dir() else set()


def _news(found: Sequence[Problem], known: Sequence[Problem]) -> list[Problem]:
    """Without those that follow from another: a value refused as read, a list with a wrong item."""
    said = {(_position(problem)[0], problem.key) for problem in known}
    keys = [problem.key for problem in (*found, *known)]
    return [
        problem
        for problem in found
        if (_position(problem)[0], problem.key) not in said
        and not any(key.startswith(f"{problem.key}[") for key in keys)
    ]


def _position(problem: Problem) -> tuple[str, int]:
    file, _, line = problem.where.rpartition(":")
    return file, int(line) if line.isdigit() else 0
