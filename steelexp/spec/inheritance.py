"""One tree of settings over another: a file over its ancestor, a trial's values over a spec."""

from collections.abc import Iterable

from pydantic.fields import FieldInfo

from steelexp.spec.explain import component_models
from steelexp.spec.schema import SECTIONS, ExperimentSpec
from steelexp.spec.yaml_tree import Branch, Leaf

_DIMENSIONS = ("search", "space")


def merge(
    old: Branch, new: Branch, model: type[ExperimentSpec], notes: list[str] | None = None
) -> Branch:
    """Lay `new` over `old`.

    A section that names another component starts anew, because a setting of the same name may mean
    something else there (the `smooth` of dice and of tversky have other defaults for a reason).
    Two kinds of settings stay: those of the section itself, such as `data.cache`, and in the model
    section those that both architectures have, so that only the architecture differs. A setting of
    a search's space starts anew, too.

    Args:
        old: Inherited settings.
        new: Settings that win.
        model: `experiment_model(...)` of the known components.
        notes: List that gets a line for each section that loses settings of the model.
    """
    return Branch(_merge(old, new, (), model, [] if notes is None else notes).items, new.where)


def gather(branches: Iterable[Branch], where: str) -> Branch:
    """Several trees as one, the later over the earlier; nothing is dropped before `merge`."""
    gathered = Branch({}, where)
    for branch in branches:
        gathered = _merge(gathered, branch, ("",), ExperimentSpec, [])
    return gathered


def _merge(
    old: Branch,
    new: Branch,
    path: tuple[str, ...],
    model: type[ExperimentSpec],
    notes: list[str],
) -> Branch:
    if path[:-1] == _DIMENSIONS:
        return new
    another = _names_another(old, new, path)
    items = _lasting(old, new, ".".join(path), model, notes) if another else dict(old.items)
    for key, node in new.items.items():
        known = items.get(key)
        if isinstance(known, Branch) and isinstance(node, Branch):
            node = _merge(known, node, (*path, key), model, notes)
        items[key] = node
    return Branch(items, new.where if another else old.where)


def _names_another(old: Branch, new: Branch, path: tuple[str, ...]) -> bool:
    """Whether a section names another component than before."""
    section = SECTIONS.get(".".join(path))
    if section is None:
        return False
    named, before = new.items.get(section.selector), old.items.get(section.selector)
    return isinstance(named, Leaf) and isinstance(before, Leaf) and named.value != before.value


def _lasting(
    old: Branch, new: Branch, name: str, model: type[ExperimentSpec], notes: list[str]
) -> dict[str, Leaf | Branch]:
    """The inherited settings of a section that stay under its new component."""
    section = SECTIONS[name]
    stay = set(section.outside)
    if section.keeps_shared_settings:
        shared = _shared(name, old, new, model)
        dropped = sorted(set(old.items) - stay - shared - set(new.items) - {section.selector})
        stay |= shared
        if dropped:
            key, component = new.items[section.selector], _choice(new, section.selector)
            notes.append(
                f"{key.where}: {name}.{section.selector}: {component} does not have the inherited "
                f"{', '.join(dropped)}; dropped"
            )
    return {key: node for key, node in old.items.items() if key in stay}


def _shared(name: str, old: Branch, new: Branch, model: type[ExperimentSpec]) -> set[str]:
    """The settings that both components have, with the same type and range."""
    models = component_models(model, name)
    selector = SECTIONS[name].selector
    before, after = (models.get(_choice(branch, selector)) for branch in (old, new))
    if before is None or after is None:
        return set()
    return {
        setting
        for setting, field in after.model_fields.items()
        if setting in before.model_fields and _is_same(field, before.model_fields[setting])
    } - {selector}


def _is_same(field: FieldInfo, other: FieldInfo) -> bool:
    return (field.annotation, field.metadata) == (other.annotation, other.metadata)


def _choice(branch: Branch, selector: str) -> str:
    node = branch.items[selector]
    return str(node.value) if isinstance(node, Leaf) else ""
