"""The error of a data set."""

from steelexp.errors import UserError


class DataError(UserError):
    """The data set cannot be used as it is; the message is for the user."""


def raise_if(problems: list[str], limit: int = 20) -> None:
    """Raise one DataError that lists up to `limit` problems, if there are any."""
    if not problems:
        return
    rest = len(problems) - limit
    lines = problems[:limit] + ([f"... and {rest} more"] if rest > 0 else [])
    raise DataError(*lines)
