"""A component is a plain function; its keyword-only arguments are its YAML schema.

    def focal(y_true, logits, *, gamma: NonNegativeFloat = 2.0, alpha: Share = 0.25): ...
    LOSSES = {"focal": focal}

lets a spec say `loss: {name: focal, gamma: 3.0}`. Names, types, ranges and defaults are read from
the signature, descriptions from the docstring; nothing is declared twice.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    create_model,
    model_serializer,
    model_validator,
)

Registry = Mapping[str, Callable[..., Any]]
"""The components of one kind by name: LOSSES, TILINGS, ..."""

C = TypeVar("C", bound="Component")

# defer_build: the parts are only ever checked inside a whole spec; building the validators of each
# took 0.05 s of every start.
STRICT = ConfigDict(
    strict=True,
    frozen=True,
    extra="forbid",
    protected_namespaces=(),
    allow_inf_nan=False,
    defer_build=True,
)


class Component(BaseModel):
    """One section of a spec that names a function and its settings."""

    # Specs of run folders are read without the components; they were checked when they were run.
    model_config = STRICT | ConfigDict(extra="allow")
    selector: ClassVar[str] = "name"
    outside: ClassVar[frozenset[str]] = frozenset()
    """Settings of the section, not of its function."""
    keeps_shared_settings: ClassVar[bool] = False
    """Whether settings that another component has, too, are inherited when a spec changes it."""
    component: ClassVar[str] = ""
    """The function's name in the registry."""

    @property
    def choice(self) -> str:
        """The name of the function."""
        return str(getattr(self, self.selector))

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting of the function, defaults included."""
        return {
            key: value for key, value in self if key != self.selector and key not in self.outside
        }

    def bind(self, registry: Registry) -> Callable[..., Any]:
        """The named function with its settings filled in."""
        return functools.partial(registry[self.choice], **self.settings)


class Chain(BaseModel):
    """A section that names functions one by one, each with its settings, or none of them."""

    model_config = STRICT | ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _without_false(cls, values: Any) -> Any:
        """Drop functions with false, such as `noise: false`; a spec so removes what it inherits."""
        if not isinstance(values, Mapping):
            return values
        return {k: v for k, v in values.items() if v is not False or k not in cls.model_fields}

    @model_serializer(mode="wrap")
    def _named_ones(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out functions that are not named: a new one must not change old digests."""
        return {name: settings for name, settings in dump(self).items() if settings is not None}

    def bind(self, registry: Registry) -> list[Callable[..., Any]]:
        """The named functions with their settings filled in, in the registry's order."""
        settings = {key: value for key, value in self if value is not None}
        return [
            functools.partial(registry[name], **dict(settings[name]))
            for name in registry
            if name in settings
        ]


def chain_model(section: type[Chain], registry: Registry) -> type[Chain]:
    """The section's model for its functions: one optional field each.

    Args:
        section: Class of the section.
        registry: Functions; the keyword-only arguments of each become the fields of its model.
    """
    fields: dict[str, Any] = {}
    for name, function in registry.items():
        summary = (inspect.getdoc(function) or "").partition("\n")[0]
        settings = create_model(
            name,
            __base__=_Settings,
            __doc__=summary,
            **_settings_fields(function),
        )
        fields[name] = (settings, Field(None, description=summary))
    strict = type(section.__name__, (section,), {"model_config": STRICT})
    return create_model(section.__name__, __base__=strict, __doc__=section.__doc__, **fields)


class _Settings(BaseModel):
    model_config = STRICT


def _settings_fields(function: Callable[..., Any]) -> dict[str, Any]:
    """Keyword-only arguments as pydantic fields."""
    hints = inspect.get_annotations(function)
    described = argument_descriptions(function)
    return {
        parameter.name: (
            hints[parameter.name],
            Field(
                ... if parameter.default is parameter.empty else parameter.default,
                description=described.get(parameter.name),
            ),
        )
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def component_model(
    section: type[C], name: str, function: Callable[..., Any], prefix: str = ""
) -> type[C]:
    """The section's model for one component.

    Args:
        section: Class of the section, with its selector.
        name: Name of the component in the registry.
        function: Function of the component; its keyword-only arguments become fields.
        prefix: Prefix of the model's name, for a section that shares its registry with another.
    """
    fields = {section.selector: (Literal[name], Field()), **_settings_fields(function)}
    strict_section = type(section.__name__, (section,), {"model_config": STRICT, "component": name})
    summary = (inspect.getdoc(function) or "").partition("\n")[0]
    return create_model(prefix + name, __base__=strict_section, __doc__=summary, **fields)


def argument_descriptions(function: Callable[..., Any]) -> dict[str, str]:
    """Descriptions of the arguments by name, from the "Args:" of a Google-style docstring."""
    return docstring_entries(inspect.getdoc(function) or "", "Args")


def docstring_entries(docstring: str, heading: str) -> dict[str, str]:
    """Descriptions by name below a heading of a Google-style docstring."""
    _, _, below = docstring.partition(f"{heading}:\n")
    block = re.split(r"\n(?=\S)", below)[0]
    entries = re.findall(r"^    (\w+): (.+(?:\n      +.+)*)", block, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for name, text in entries}


def one_of(names: Iterable[str]) -> Any:
    """A string annotation that takes the listed names only; the list goes into the JSON Schema."""
    options = sorted(names)

    def check(value: str) -> str:
        if value not in options:
            raise UnknownNameError(value, options)
        return value

    return Annotated[str, AfterValidator(check), WithJsonSchema({"enum": options})]


class UnknownNameError(ValueError):
    """A name that is not one of the options."""

    def __init__(self, value: str, options: list[str]) -> None:
        super().__init__(value)
        self.options = options
