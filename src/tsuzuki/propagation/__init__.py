"""Context that travels: context variables of a caller, set again in its workflows, activities and children."""

from ._context_vars import ContextVarPropagation

__all__ = ["ContextVarPropagation"]
