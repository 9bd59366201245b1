"""Imports a program's main module faster."""

import gc
from importlib import import_module
from types import ModuleType


def import_quickly(name: str) -> ModuleType:
    """Import the module while Python does not look for garbage: what an import creates stays until the process ends."""
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.enable()
