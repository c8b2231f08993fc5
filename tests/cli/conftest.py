"""Fixtures of the tests of the command line."""

from cli._site import here

__all__ = ["here"]
