"""Merge trees of settings: a spec file with its ancestor, a spec with the values of a trial."""

from collections.abc import Iterable

from pydantic.fields import FieldInfo

from steelexp.spec.explain import component_models
from steelexp.spec.schema import SECTIONS, ExperimentSpec
from steelexp.spec.yaml_tree import Branch, Leaf

_SEARCH_SPACE = ("search", "space")  # path of the section with the dimensions of a search


def merge(
    old: Branch, new: Branch, model: type[ExperimentSpec], notes: list[str] | None = None
) -> Branch:
    """Merge inherited and new settings; new ones win.

    A section that names another component does not inherit the settings of the old one, because a
    setting of the same name may mean something else (`smooth` 1 of dice is `smooth` 0.5 of
    tversky). Two kinds of settings are inherited nevertheless: those of the section itself, such as
    `data.cache`, and in the model section those that both architectures have. A dimension of a
    search space is replaced as a whole.

    Args:
        old: Inherited settings.
        new: Settings that win.
        model: `experiment_model(...)` of the known components.
        notes: List that a line is appended to when another architecture drops inherited settings.

    Returns:
        Merged settings, located where `new` is.
    """
    return Branch(_merge(old, new, (), model, [] if notes is None else notes).items, new.where)


def unite(branches: Iterable[Branch], where: str) -> Branch:
    """Unite trees of settings without dropping any; of two values, the later one wins.

    Args:
        branches: Trees of settings.
        where: File and line, or argument, that the result is located at.
    """
    united = Branch({}, where)
    for branch in branches:
        # Below the path ("",) no path names a section, so another component drops nothing.
        united = _merge(united, branch, ("",), ExperimentSpec, [])
    return united


def _merge(
    old: Branch,
    new: Branch,
    path: tuple[str, ...],
    model: type[ExperimentSpec],
    notes: list[str],
) -> Branch:
    if path[:-1] == _SEARCH_SPACE:
        return new
    changed = _changes_component(old, new, path)
    items = (
        _inherited_settings(old, new, ".".join(path), model, notes) if changed else dict(old.items)
    )
    for key, node in new.items.items():
        inherited = items.get(key)
        if isinstance(inherited, Branch) and isinstance(node, Branch):
            node = _merge(inherited, node, (*path, key), model, notes)
        items[key] = node
    return Branch(items, new.where if changed else old.where)


def _changes_component(old: Branch, new: Branch, path: tuple[str, ...]) -> bool:
    """Whether a section names another component than before."""
    section = SECTIONS.get(".".join(path))
    if section is None:
        return False
    after = new.items.get(section.selector)
    before = old.items.get(section.selector)
    return isinstance(after, Leaf) and isinstance(before, Leaf) and after.value != before.value


def _inherited_settings(
    old: Branch, new: Branch, name: str, model: type[ExperimentSpec], notes: list[str]
) -> dict[str, Leaf | Branch]:
    """The inherited settings of a section that remain under its new component."""
    section = SECTIONS[name]
    remaining = set(section.outside)
    if section.keeps_shared_settings:
        shared = _shared_settings(name, old, new, model)
        dropped = sorted(set(old.items) - remaining - shared - set(new.items) - {section.selector})
        remaining |= shared
        if dropped:
            where = new.items[section.selector].where
            component = _component_name(new, section.selector)
            notes.append(
                f"{where}: {name}.{section.selector}: {component} does not have the inherited "
                f"{', '.join(dropped)}; dropped"
            )
    return {key: node for key, node in old.items.items() if key in remaining}


def _shared_settings(name: str, old: Branch, new: Branch, model: type[ExperimentSpec]) -> set[str]:
    """The settings that both components have, with the same type and range."""
    models = component_models(model, name)
    selector = SECTIONS[name].selector
    before, after = (models.get(_component_name(branch, selector)) for branch in (old, new))
    if before is None or after is None:
        return set()
    return {
        setting
        for setting, field in after.model_fields.items()
        if setting in before.model_fields and _is_same(field, before.model_fields[setting])
    } - {selector}


def _is_same(field: FieldInfo, other: FieldInfo) -> bool:
    return (field.annotation, field.metadata) == (other.annotation, other.metadata)


def _component_name(branch: Branch, selector: str) -> str:
    node = branch.items[selector]
    return str(node.value) if isinstance(node, Leaf) else ""
