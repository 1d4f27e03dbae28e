"""From a YAML file, its ancestors and the command line's overrides to a checked spec."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from steelexp.spec.explain import explain, nearest
from steelexp.spec.schema import SECTIONS, ExperimentSpec
from steelexp.spec.yaml_tree import Branch, Leaf, Problem, Tree, read, read_file


class SpecError(Exception):
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
    for override in overrides:
        tree = _override(tree, override, problems)
    try:
        spec = model.model_validate(tree.plain())
    except ValidationError as error:
        known = {(p.where, p.key) for p in problems}
        found = [explain(tree, model, detail) for detail in error.errors()]
        problems += [p for p in found if (p.where, p.key) not in known]
    if problems:
        raise SpecError(sorted(problems, key=_position))
    return spec


def dump(spec: ExperimentSpec) -> str:
    """The resolved spec as YAML, every default written out."""
    values = spec.model_dump(mode="json")
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=None)


def read_resolved(path: Path) -> ExperimentSpec:
    """A spec that `dump` wrote, without the components' code."""
    return ExperimentSpec.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def _inherit(path: Path, problems: list[Problem], heirs: tuple[Path, ...]) -> Branch | None:
    if path.resolve() in heirs:
        problems.append(Problem(str(path), "extends", "inherits from itself"))
        return None
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
        near = nearest(parent.value, _specs_beside(target))
        problems.append(Problem(parent.where, "extends", f"there is no spec {target}{near}"))
        return child
    inherited = _inherit(target, problems, (*heirs, path.resolve()))
    return child if inherited is None else _merge(inherited, child)


def _merge(old: Branch, new: Branch, section: str | None = None) -> Branch:
    """`new` over `old`; a section that names another component starts anew."""
    if section in SECTIONS:
        selector = SECTIONS[section].selector
        named, before = new.items.get(selector), old.items.get(selector)
        if isinstance(named, Leaf) and isinstance(before, Leaf) and named.value != before.value:
            return new
    items = dict(old.items)
    for key, node in new.items.items():
        known = items.get(key)
        if isinstance(known, Branch) and isinstance(node, Branch):
            items[key] = _merge(known, node, key if section is None else "")
        else:
            items[key] = node
    return Branch(items, new.where)


def _override(tree: Branch, override: str, problems: list[Problem]) -> Branch:
    key, equals, text = override.partition("=")
    where = f"argument {override!r}"
    if not equals or not all(key.split(".")):
        problems.append(Problem(where, "", "key=value with a dotted key is expected"))
        return tree
    before = len(problems)
    node: Tree = read(text, lambda line: where, problems) or Leaf(None, where)
    problems[before:] = [Problem(p.where, key, p.message) for p in problems[before:]]
    for part in reversed(key.split(".")):
        node = Branch({part: node}, where)
    assert isinstance(node, Branch)
    merged = _merge(tree, node)
    return Branch(merged.items, tree.where)


def _specs_beside(target: Path) -> list[str]:
    return [path.name for path in target.parent.glob("*.yaml")] if target.parent.is_dir() else []


def _position(problem: Problem) -> tuple[str, int]:
    file, _, line = problem.where.rpartition(":")
    return file, int(line) if line.isdigit() else 0
