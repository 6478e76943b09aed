"""Small wrong versions of a right answer. A check that accepts one of them is too weak, or the mutant changes nothing."""

import ast
import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

from lab_utils.teaching import sql_mutants

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change."""

    description: str
    """`before → after`, as an author lists it when it is equivalent."""
    code: str


def mutants(cell: str, solution: str) -> list[Mutant]:
    """All mutants of a cell whose change lies in the lines of its solution."""
    tree = ast.parse(cell)
    inside = _lines_of(cell, solution)
    found: list[Mutant] = []
    for number, node in enumerate(ast.walk(tree)):
        if getattr(node, "lineno", None) is not None and node.lineno not in inside:  # type: ignore[attr-defined]
            continue
        for variant in range(_variant_count(node)):
            changed, target = _copy_with_node(tree, number)
            before = _describe(target)
            if not _is_code(changed, target):
                continue
            after = _mutate(target, variant, changed)
            if after is None:
                continue
            code = ast.unparse(ast.fix_missing_locations(changed))
            found.append(Mutant(f"{before} → {after}", code))
        found += _sql_mutants(tree, node, number)
    return list(_numbered(found))


def _copy_with_node(tree: ast.Module, number: int) -> tuple[ast.Module, Any]:
    """A copy of the tree to change, and the node of that number in it."""
    changed = copy.deepcopy(tree)
    return changed, list(ast.walk(changed))[number]


def _sql_mutants(tree: ast.Module, node: ast.AST, number: int) -> Iterator[Mutant]:
    """A query in a text is code as well: a text that is only broken says little about the check."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or not _is_code(tree, node):
        return
    for change in sql_mutants.changes(node.value):
        changed, target = _copy_with_node(tree, number)
        target.value = change.text
        yield Mutant(f"SQL: {change.description}", ast.unparse(changed))


def _lines_of(cell: str, solution: str) -> range:
    lines, wanted = cell.split("\n"), solution.split("\n")
    for start in range(len(lines)):
        if lines[start : start + len(wanted)] == wanted:
            return range(start + 1, start + 1 + len(wanted))
    return range(1, len(lines) + 1)


def _numbered(found: list[Mutant]) -> Iterator[Mutant]:
    """Equal descriptions get a number, so that an author can name each."""
    seen: dict[str, int] = {}
    codes: set[str] = set()
    for mutant in found:
        if mutant.code in codes:
            continue
        codes.add(mutant.code)
        count = seen[mutant.description] = seen.get(mutant.description, 0) + 1
        yield mutant if count == 1 else dataclasses.replace(mutant, description=f"{mutant.description} ({count})")


def _is_code(tree: ast.AST, target: ast.AST) -> bool:
    """Whether a node does something: docstrings and annotations do not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value is target:
            return False
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if annotation is not None and any(part is target for part in ast.walk(annotation)):
                return False
        if isinstance(node, ast.JoinedStr) and any(part is target for part in node.values):
            return False  # a piece of text inside an f-string
        spec = node.format_spec if isinstance(node, ast.FormattedValue) else None
        if spec is not None and any(part is target for part in ast.walk(spec)):
            return False
    return True


def _variant_count(node: ast.AST) -> int:
    match node:
        case ast.Call():
            return len(node.keywords)
        case ast.Compare() | ast.BinOp() | ast.BoolOp() | ast.Constant() | ast.If() | ast.IfExp() | ast.While():
            return 1
        case ast.Expr(value=ast.Call()) | ast.Return() | ast.UnaryOp() | ast.AugAssign() | ast.comprehension():
            return 1
    return 0


def _mutate(node: ast.AST, variant: int, tree: ast.AST) -> str | None:
    """Change `node`; how it reads then. None when there is no such change."""
    match node:
        case ast.Call():
            dropped = node.keywords.pop(variant)
            return f"without {dropped.arg}={ast.unparse(dropped.value)}" if dropped.arg else "without **"
        case ast.Compare() | ast.BinOp() | ast.BoolOp() | ast.AugAssign():
            return _swap_operator(node)
        case ast.Constant():
            if node.value is ... or node.value is None:
                return None
            node.value = _other_constant(node.value)  # type: ignore[assignment]
        case ast.If() | ast.IfExp() | ast.While():
            node.test = ast.UnaryOp(ast.Not(), node.test)
            return ast.unparse(node.test)
        case ast.Return():
            if node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None):
                return None
            node.value = ast.Constant(None)
        case ast.UnaryOp():
            _replace(tree, node, node.operand)
            return ast.unparse(node.operand)
        case ast.comprehension():
            if not node.ifs:
                return None
            node.ifs = []
            return "without if"
        case ast.Expr():
            _replace(tree, node, ast.Pass())
            return "removed"
    return _describe(node)


def _swap_operator(node: ast.Compare | ast.BinOp | ast.BoolOp | ast.AugAssign) -> str | None:
    old = node.ops[0] if isinstance(node, ast.Compare) else node.op
    swapped: Any = _OPERATORS.get(type(old))
    if swapped is None:
        return None
    if isinstance(node, ast.Compare):
        node.ops[0] = swapped()
    else:
        node.op = swapped()
    return _describe(node)


def _other_constant(value: object) -> object:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}x" if value else "x"
        case bytes():
            return value + b"x"
    return None


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if value is old:
                setattr(node, name, new)
                return
            if isinstance(value, list):
                for place, part in enumerate(value):
                    if part is old:
                        value[place] = new
                        return


def _describe(node: ast.AST) -> str:
    if isinstance(node, ast.If | ast.While):
        return f"{'if' if isinstance(node, ast.If) else 'while'} {ast.unparse(node.test)}"
    if isinstance(node, ast.comprehension):
        return ast.unparse(node).strip()
    text = ast.unparse(node)
    return " ".join(text.split())[:100]
