"""The texts of a Python file that are written for people."""

import ast
import io
import tokenize
from functools import cache


@cache
def comments_and_docstrings(source: str) -> str:
    """The comments and docstrings of a Python file, one after the other."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    texts = [token.string for token in tokens if token.type == tokenize.COMMENT]
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, documented))
    return "\n".join([*texts, *(ast.get_docstring(node) or "" for node in nodes)])
