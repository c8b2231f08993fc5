"""Options and values that clients, workflows and activities share, in the shapes of the `temporalio` package."""

from ._metrics import (
    MetricAttributes,
    MetricBackend,
    MetricCounter,
    MetricGauge,
    MetricHistogram,
    MetricHistogramTimedelta,
    MetricMeter,
)
from ._options import (
    Priority,
    QueryRejectCondition,
    RawValue,
    RetryPolicy,
    SearchAttributes,
    SearchAttributeValue,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from ._search_attributes import (
    SearchAttributeIndexedValueType,
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
    key_of,
)

__all__ = [
    "MetricAttributes",
    "MetricBackend",
    "MetricCounter",
    "MetricGauge",
    "MetricHistogram",
    "MetricHistogramTimedelta",
    "MetricMeter",
    "Priority",
    "QueryRejectCondition",
    "RawValue",
    "RetryPolicy",
    "SearchAttributeIndexedValueType",
    "SearchAttributeKey",
    "SearchAttributePair",
    "SearchAttributeUpdate",
    "SearchAttributeValue",
    "SearchAttributes",
    "TypedSearchAttributes",
    "WorkflowIDConflictPolicy",
    "WorkflowIDReusePolicy",
    "key_of",
]
