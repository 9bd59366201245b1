"""Which imported names a Python source uses, by their full names."""

import ast
import builtins
from collections.abc import Iterator


def imported_names(source: str) -> Iterator[str]:
    """The full name of each module or member that the source imports. `from a import b` gives `a` and `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def used_names(source: str) -> set[str]:
    """The full names of imported modules, of their members and of builtins that the source uses.

    `from datetime import datetime as dt` and then `dt.now()` gives `datetime.datetime` and `datetime.datetime.now`.
    """
    tree = ast.parse(source)
    bindings = {name: name for name in dir(builtins)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bindings |= {alias.asname or alias.name.partition(".")[0]: _bound_module(alias) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            bindings |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    names = {_full_name(node, bindings) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)}
    return names - {""} | set(imported_names(source))


def _bound_module(alias: ast.alias) -> str:
    """The module that `import a.b` binds: `a.b` with `as`, otherwise `a`."""
    return alias.name if alias.asname else alias.name.partition(".")[0]


def _full_name(node: ast.expr, bindings: dict[str, str]) -> str:
    """`datetime.datetime.now` for `dt.now`. Empty when the name is not imported."""
    # A field `id: str` is a name as well, but it is stored and not read.
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return bindings.get(node.id, "")
    if isinstance(node, ast.Attribute):
        owner = _full_name(node.value, bindings)
        return f"{owner}.{node.attr}" if owner else ""
    return ""
