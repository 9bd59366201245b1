"""Checks the options of a benchmark's command line."""

import argparse
from collections.abc import Callable


def whole_number(largest: int) -> Callable[[str], int]:
    """The type of an option that is a whole number from 1 to `largest`."""

    def parse(text: str) -> int:
        number = int(text)
        if not 1 <= number <= largest:
            raise argparse.ArgumentTypeError(f"from 1 to {largest}")
        return number

    # argparse names the type in its error for a text that is no number.
    parse.__name__ = "whole number"
    return parse
