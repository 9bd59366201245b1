"""Reads the YAML text of a map: one meaning for each text, no key twice, no references."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

#: A map of this size has hundreds of columns. A larger file is another file, given by mistake.
MAX_MAP_BYTES = 64 * 1024


class UnreadableMapError(Exception):
    """The map cannot be read. The message names the key and says what to write."""


class _MapLoader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """The safe loader of YAML 1.1, without its surprises: `No` and `2026-01-31` are texts, and no key comes twice."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            # References to references could make a small file large.
            raise UnreadableMapError(f"line {self.peek_event().start_mark.line + 1}: `*` is not supported: quote it")
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in keys:
                raise UnreadableMapError(f"line {key.start_mark.line + 1}: the key {key.value} is there twice")
            keys.add(str(key.value))
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


#: The texts that are more than texts. Not `010`, which would be 8, and not `yes`.
_MapLoader.yaml_implicit_resolvers = {}
_MapLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"(?:-?(?:0|[1-9][0-9]{0,15}))$", re.ASCII), list("-0123456789")
)
_MapLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)$"), list("tf"))
_MapLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|)$"), ["~", "n", ""])


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of the map. Raises `UnreadableMapError`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_MAP_BYTES + 1)
        if len(content) > MAX_MAP_BYTES:
            raise UnreadableMapError(f"is larger than {MAX_MAP_BYTES // 1024} KiB: is it the map?")
        values = yaml.load(content.decode("utf-8-sig"), _MapLoader)  # noqa: S506 - based on the safe loader
    except OSError as error:
        raise UnreadableMapError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnreadableMapError("is not UTF-8 text: save the map as UTF-8") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark is not None else ""
        reason = getattr(error, "problem", None) or type(error).__name__
        raise UnreadableMapError(f"{place}is not YAML: {reason}") from None
    except ValueError:
        raise UnreadableMapError("has a value that YAML cannot read: quote it") from None
    if not isinstance(values, dict):
        raise UnreadableMapError("has no keys: begin with `encoding:`, `patient:` and so on")
    return values
