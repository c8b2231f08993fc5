"""The example that `tsuzuki demo` runs: deep research that survives being killed.

It lives in the package because the installed command runs it; `examples/research.py` runs the same code.
Read `research.py`: the workflow and its activities, and nothing else. The other modules are the research
itself (reading, searching, writing) and know nothing of durable execution.
"""

from ._documents import CorpusError, check_documents
from ._executions import Execution, read_executions
from ._report import Citation, Report, write_extract
from .research import SEARCHES, UNRELIABLE, Draft, Question, Research, Search, make_plan, search, write_report

__all__ = [
    "SEARCHES",
    "UNRELIABLE",
    "Citation",
    "CorpusError",
    "Draft",
    "Execution",
    "Question",
    "Report",
    "Research",
    "Search",
    "check_documents",
    "make_plan",
    "read_executions",
    "search",
    "write_extract",
    "write_report",
]
