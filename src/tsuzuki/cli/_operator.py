"""`tsuzuki operator`: its groups by name."""

from __future__ import annotations

from ._lazy import group

operator = group(
    "Namespaces and search attributes.",
    {
        "namespace": ("_namespace:namespace", "Namespaces of a server, or of a database."),
        "search-attribute": ("_search_attribute:search_attribute", "Search attributes of a namespace."),
    },
)
