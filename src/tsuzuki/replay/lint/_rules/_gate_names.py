"""TSU301: gates (`get_version`, `patched`) whose names will mean nothing to anybody in a year."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from .._module import WORKFLOW, Function
from .._resolve import Kind, Scope
from .._workflow_code import Reach
from ._commands import short
from ._rule import Problem, Rule

_VERSION: Final = f"{WORKFLOW}get_version"
GATES: Final = frozenset({_VERSION, f"{WORKFLOW}patched", f"{WORKFLOW}deprecate_patch"})
_SUFFIX: Final = re.compile(r"[_-]v\d+$", re.IGNORECASE)
_WORDS: Final = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
_EMPTY_WORD: Final = re.compile(
    r"""(?xi)
    an? | the | my | our | this | that | some | x | y | z
    | (bug|quick|hot)?fix(es|ed|ing)? | bugs? | issue | ticket | hack | workaround | patch(ed)?
    | chang(e|es|ed|ing) | updat(e|es|ed|ing) | improvements? | refactor(ed|ing)? | rewrite | cleanup | feature
    | old(er)? | new(er)? | latest | next | prev | default | final | versions? | ver | v | rev
    | test(s|ing)? | te?mp | temporary | todo | wip | dummy | example | sample | foo | bar | baz | qux | foobar
    | misc | stuff | things? | gate | flag | workflow | wf | code | id | name
    """
)
_HELP: Final = "name what changes, as in `add_review_step_v1`"


def _check(reach: Reach) -> Iterator[Problem]:
    function = reach.function
    for call, name in function.calls:
        if name not in GATES or (gate := id_of(call)) is None:
            continue
        text = literal(gate, function)
        if text is None:
            if not _is_constant_elsewhere(gate, function):
                yield Problem(
                    gate,
                    f"the id of this `{short(name)}` is put together at run time: nobody can search for it, and "
                    "another value makes another gate",
                    "a string literal, " + _HELP,
                )
        elif not _says_something(text):
            yield Problem(gate, f"the gate {text!r} does not say what it guards", _HELP)
        elif name == _VERSION and not _SUFFIX.search(text):
            yield Problem(gate, f"the gate {text!r} does not say which version of the change it is", f"{text}_v1")


def id_of(call: ast.Call) -> ast.expr | None:
    """The expression that gives a gate its id."""
    if call.args:
        return None if isinstance(call.args[0], ast.Starred) else call.args[0]
    return next((keyword.value for keyword in call.keywords if keyword.arg in ("change_id", "id")), None)


def _says_something(text: str) -> bool:
    words = [word for word in _WORDS.split(_SUFFIX.sub("", text)) if word]
    return any(not word.isdigit() and len(word) > 1 and not _EMPTY_WORD.fullmatch(word) for word in words)


def literal(expr: ast.expr, function: Function) -> str | None:
    """Return the text of a literal, or of a name that stands for one."""
    match expr:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            place = function.scope.find(name)
            return _text_of(place, name) if place is not None else None
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            owner = function.method.owner if function.method is not None else None
            known = owner if name == function.self_name else function.module.find_class(expr.value, function.scope)
            return _text_of(known.scope, attr) if known is not None else None
    return None


def _text_of(place: Scope, name: str) -> str | None:
    bindings = place.bindings.get(name, [])
    if len(bindings) == 1 and bindings[0].kind is Kind.VALUE:
        value = bindings[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value
    return None


def _is_constant_elsewhere(expr: ast.expr, function: Function) -> bool:
    """Whether it is an imported name, or one in capitals: a constant of another file."""
    match expr:
        case ast.Name(id=name):
            return name.isupper() or any(binding.kind is Kind.IMPORT for binding in function.scope.bindings_of(name))
        case ast.Attribute(attr=attr):
            return attr.isupper() or attr == "value"
    return False


RULE: Final = Rule(
    code="TSU301",
    name="name of a gate",
    why=(
        "A gate stays in the code until the last run that passed it has ended, and in histories for longer. Whoever "
        "meets `fix_bug_123` or `v2` there cannot tell what may be removed. Its id is a literal that names the change; "
        "for `get_version` it ends in `_v1`, `_v2`, ... so that the next change of the same place has a name too."
    ),
    bad='version = workflow.get_version("fix_bug_123", workflow.DEFAULT_VERSION, 1)',
    good='version = workflow.get_version("add_review_step_v1", workflow.DEFAULT_VERSION, 1)',
    check=_check,
)
