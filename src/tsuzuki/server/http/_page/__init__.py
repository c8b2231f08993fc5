"""The web page: runs, one run, where its code stood, two runs side by side.

Rendered here from templates that escape everything; what moves is done by small modules of `static`, without a build
and without anything from elsewhere. Whatever it shows and does goes through `Answers`, as the API does.
"""

from ._pages import page_routes

__all__ = ["page_routes"]
