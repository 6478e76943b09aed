"""Tell answers apart by what they do, not by how they are written down.

Comments, blank lines and the place of the cell do not count: an answer that is run again unchanged is one attempt, and
a stub with a comment added is still a stub. Byte code says this without the source, which a kernel may not have.
"""

import dis
import hashlib
import inspect
import types
from collections.abc import Iterator
from typing import Any


def code_key(code: types.CodeType) -> tuple[Any, ...]:
    """What a piece of code does, comparable within one version of Python."""
    constants = tuple(
        code_key(part) if isinstance(part, types.CodeType) else (type(part).__name__, repr(part))
        for part in code.co_consts
    )
    return (code.co_name, code.co_argcount, code.co_code, constants, code.co_names, code.co_varnames)


def function_code(answer: object) -> types.CodeType | None:
    """The code of a function, its decorators taken off; None when it is something else."""
    found = inspect.unwrap(answer) if callable(answer) else answer
    code = getattr(found, "__code__", None)
    return code if isinstance(code, types.CodeType) else None


def fingerprint(answers: tuple[object, ...]) -> str:
    """A short text that is the same for the same answers."""
    parts = [code_key(code) if (code := function_code(answer)) else _value_text(answer) for answer in answers]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _value_text(value: object) -> str:
    try:
        return repr(value)[:10_000]
    except Exception:  # the student's own __repr__
        return type(value).__name__


def all_code(code: types.CodeType) -> Iterator[types.CodeType]:
    """A piece of code and all that is defined in it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from all_code(part)


def does_nothing(code: types.CodeType) -> bool:
    """Whether a function has no body to speak of: `...`, `pass` or a docstring alone, with or without `return`."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in {"RESUME", "NOP"}]
    constants = [step.argval for step in steps if step.opname in {"LOAD_CONST", "RETURN_CONST"}]
    others = {step.opname for step in steps} - {"LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}
    return not others and constants == [None]


def is_untouched(answers: tuple[object, ...], stub: str | None) -> bool:
    """Whether an answer is still what the students were given, or a function from which only the stub's text was taken.

    Args:
        answers: what was passed to `check`.
        stub: the cell that students get, as source.
    """
    if any(answer is ... for answer in answers):
        return True
    if stub is None:
        return False
    given = {code.co_name: code_key(code) for code in all_code(compile(stub, "<stub>", "exec"))}
    codes = [code for answer in answers if (code := function_code(answer)) is not None]
    return bool(codes) and all(code_key(code) == given.get(code.co_name) or does_nothing(code) for code in codes)
