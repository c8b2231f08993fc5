"""Judging workflow code by what was recorded, and by reading it; the lint is `tsuzuki.replay.lint`."""

__all__: list[str] = []
