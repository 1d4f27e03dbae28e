"""What is private, and never recorded or sent: secrets, and the place of the home folder.

One rule for all: a spec that holds a secret is refused, and every record, journal, patch and log is
filtered. A secret is known in three ways: by the name of its variable or setting, by its form, such
as the password in an address, and by its value, where this process finds that in its environment or
in the files of the services it uses.

A path below the home folder is written as ${HOME}/..., which a spec reads back. So neither the name
of the account nor its folder leaves the machine.
"""

import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HIDDEN = "***"
"""Text in the place of a secret."""

HOME = "${HOME}"
"""Text in the place of the home folder."""

_SECRET_WORDS = frozenset(
    {
        *("apikey", "apikeys", "credential", "credentials", "passcode", "passphrase", "passwd"),
        *("password", "passwords", "pwd", "secret", "secrets", "token", "tokens"),
    }
)
_KEY_WORDS = frozenset({"key", "keys"})
_PLACE_WORDS = frozenset({"dir", "file", "folder", "path"})

_NAME = r"[A-Za-z_][\w.-]{0,63}"
_ASSIGNMENT = re.compile(
    # What precedes a name, and its longest length, keep the search of a long word short.
    rf"(?<![\w.-])(?P<name>-{{0,2}}{_NAME})(?P<equals>[\"']?(?:\s*=\s*|\s*:\s*))"
    r"(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s,;&'\"(){}\[\]=]+=*)"
)
_REST = re.compile(r"[^\s,;&'\"(){}\[\]]*")  # of a value that has equals signs
_OPTION = re.compile(rf"(?P<name>--?{_NAME})(?P<equals>\s+)(?P<value>[^\s-][^\s]*)")

_FORMS = tuple(
    re.compile(form, re.DOTALL)
    for form in (
        r"(?<=://)[^\s/@:'\"]*:[^\s/@'\"]+(?=@)",  # user:password in an address
        r"(?<=https://)[^\s/@:'\"]+(?=@)",  # a token in an address
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----",
        r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",  # Amazon
        r"\b(?:gh[oprsu]_\w{30,}|github_pat_\w{20,}|glpat-[\w-]{20,})",  # GitHub, GitLab
        r"\bhf_[A-Za-z0-9]{30,}\b",  # Hugging Face
        r"\bsk-[\w-]{20,}",  # OpenAI and others
        r"\bxox[abeprs]-[\w-]{10,}",  # Slack
        r"\beyJ[\w-]{8,999}\.[\w-]{8,9999}\.[\w-]{8,}",  # JSON Web Tokens
        r"(?<=\bBearer )[\w.~+/-]{12,}=*",
    )
)

_FILES = (
    *("~/.comet.config", ".comet.config", "~/.kaggle/kaggle.json", ".env"),
    *("~/.config/kaggle/kaggle.json",),
)
"""Files in which secrets of the services lie, as NAME=VALUE or as JSON."""

_FOLDERS_OF_SHELLS = {"PWD", "OLDPWD"}
"""Variables of every shell; they are folders and no passwords."""

_MOST_BYTES = 100_000  # of such a file


def names_secret(name: str) -> bool:
    """Whether a variable or setting is named like a secret: API_KEY, db.password, accessToken.

    A name that ends like a place, such as TOKEN_FILE, tells where a secret is.
    """
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    parts = [word for word in re.split(r"[^a-z0-9]+", words) if word]
    if not parts or parts[-1] in _PLACE_WORDS:
        return False
    is_key = len(parts) > 1 and parts[-1] in _KEY_WORDS  # "key" alone is a key of anything
    return is_key or not _SECRET_WORDS.isdisjoint(parts)


def holds_secret(text: str, secrets: Sequence[str] | None = None) -> bool:
    """Whether a text holds a secret, by the names in it, by its form or by a known value.

    Args:
        text: Text of any kind.
        secrets: Result of `known_values`, for many texts; None looks them up again.
    """
    return _hidden_in(text, known_values() if secrets is None else secrets) != text


def without_secrets(text: str, *, code: bool = False) -> str:
    """A text with *** in the place of every secret.

    Args:
        text: Text of any kind.
        code: Whether it is source code, where a name after `token=` is no secret but a quoted
            word, or one of letters and digits, may be.
    """
    return _hidden_in(text, known_values(), code=code)


def without_home(text: str) -> str:
    """A text with ${HOME} in the place of the home folder at the start of a path."""
    for home in _home_patterns(os.path.expanduser("~")):  # noqa: PTH111  # never raises
        text = home.sub(lambda _: HOME, text)
    return text


def with_home(text: str) -> str:
    """A text of `without_home` with the home folder of this account."""
    return text.replace(HOME, os.path.expanduser("~"))  # noqa: PTH111  # never raises


def public(text: str, *, code: bool = False) -> str:
    """A text without secrets and without the home folder."""
    return without_home(without_secrets(text, code=code))


def public_values(values: Any) -> Any:
    """Values as JSON has them, with every text filtered and what is named like a secret hidden."""
    return _public_values(values, known_values())


def _public_values(values: Any, secrets: Sequence[str]) -> Any:
    if isinstance(values, str):
        return without_home(_hidden_in(values, secrets))
    if isinstance(values, Mapping):
        return {
            name: HIDDEN
            if isinstance(value, str) and value and names_secret(str(name))
            else _public_values(value, secrets)
            for name, value in values.items()
        }
    if isinstance(values, list | tuple):
        return [_public_values(value, secrets) for value in values]
    return values


def _hidden_in(text: str, secrets: Sequence[str], *, code: bool = False) -> str:
    for value in secrets:
        text = text.replace(value, HIDDEN)
    for form in _FORMS:
        text = form.sub(HIDDEN, text)
    if not code:
        text = _without_values(text, _OPTION, _is_secret)
    return _without_values(text, _ASSIGNMENT, _is_secret_in_code if code else _is_secret)


def _without_values(
    text: str, pattern: re.Pattern[str], is_secret: Callable[[re.Match[str]], bool]
) -> str:
    """Hide the values of names in a text; a value may hold a name with a value itself."""
    pieces = []
    begin = 0
    place = 0
    while match := pattern.search(text, place):
        place = match.start("value")
        if is_secret(match):
            quote = text[place] if text[place] in "\"'" else ""
            pieces += [text[begin:place], f"{quote}{HIDDEN}{quote}"]
            rest = None if quote else _REST.match(text, match.end())
            begin = place = rest.end() if rest else match.end()
    return "".join([*pieces, text[begin:]])


def _is_secret(match: re.Match[str]) -> bool:
    """Whether the value of an assignment is a secret by its name and its look."""
    value = match["value"]
    is_word = match["name"].startswith("-") or match["equals"].lstrip("\"'") == "="
    looks_so = is_word or value[0] in "\"'" or _is_mixed(value)
    return len(value) >= 4 and looks_so and names_secret(match["name"])


def _is_secret_in_code(match: re.Match[str]) -> bool:
    value = match["value"]
    is_quoted = value[0] in "\"'" and " " not in value
    return len(value) >= 8 and (is_quoted or _is_mixed(value)) and names_secret(match["name"])


def _is_mixed(value: str) -> bool:
    """Whether a word has letters and digits, as secrets have and words do not."""
    return bool(re.fullmatch(r"(?=.*[A-Za-z])(?=.*\d)[\w+/=.~-]+", value))


def known_values() -> list[str]:
    """Values of secrets that this process can see, the longest first."""
    values = {
        value
        for name, value in os.environ.items()
        if names_secret(name) and name not in _FOLDERS_OF_SHELLS
    }
    for name in _FILES:
        values.update(_values_in(name))
    return sorted(filter(_is_telling, values), key=len, reverse=True)


def _values_in(name: str) -> Iterator[str]:
    path = Path(os.path.expanduser(name))  # noqa: PTH111  # never raises
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return
        text = path.read_text("utf-8", "replace")
    except OSError:
        return
    for match in _ASSIGNMENT.finditer(text):
        if names_secret(match["name"]) or match["name"] == "key":  # Kaggle's name of it
            yield match["value"].strip("\"'")


def _is_telling(value: str) -> bool:
    """Whether a value is long enough to be looked for; "true" and "none" stand in every text.

    A file or folder that exists is the place of a secret at most.
    """
    is_long = len(value) >= 8 or (len(value) >= 5 and _is_mixed(value))
    return is_long and not (value.startswith("/") and os.path.exists(value))  # noqa: PTH110


@functools.cache
def _home_patterns(home: str) -> tuple[re.Pattern[str], ...]:
    """The home folder at the start of a path, as it is named and as links lead to it.

    None where it is the root. A page asks for it with each of its 100,000 texts.
    """
    if not home.startswith("/"):
        return ()
    homes = {home.rstrip("/"), os.path.realpath(home)} - {"", "/"}
    by_length = sorted(homes, key=len, reverse=True)
    return tuple(re.compile(rf"(?<![\w.~-]){re.escape(each)}(?![\w.-])") for each in by_length)
