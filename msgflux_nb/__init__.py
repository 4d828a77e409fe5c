"""Chat-completion models in notebooks: explore prompts, teach, and turn texts into typed DataFrames.

Names load on first use, so that ``import msgflux_nb`` is fast: httpx, pandas and widget libraries are imported only
when something needs them. If pandas is already loaded, its tables get ``mf`` at once.
"""

from __future__ import annotations

import importlib
import sys

from .tables.frames.ready import when_made

TYPE_CHECKING = False  # not from typing, which takes longer to import than all the rest

__version__ = "0.1.0.dev0"

_HOME = {  # None: a module
    "AuthenticationError": "errors",
    "BadRequestError": "errors",
    "ChatBlock": "content.messages",
    "ChatCompletion": "models.chat",
    "Chunk": "tables.chunks.chunk",
    "ConnectionFailedError": "errors",
    "ContextLengthError": "errors",
    "EmptyOutputError": "errors",
    "ExtractionView": "widgets.extraction.extraction_view",
    "Fault": "errors",
    "FilteredError": "errors",
    "GridView": "widgets.grid.grid_view",
    "IncompleteOutputError": "errors",
    "LocalModelError": "errors",
    "MediaError": "errors",
    "MessageBuilder": "widgets.conversation.message_builder",
    "Model": "models.model",
    "MsgfluxError": "errors",
    "NotAnApiError": "errors",
    "NotFoundError": "errors",
    "NotRecordedError": "errors",
    "PermissionDeniedError": "errors",
    "PlanView": "widgets.plan.plan_view",
    "Playground": "widgets.playground.playground",
    "PrefillEditor": "widgets.prefill.prefill_editor",
    "PrefillError": "errors",
    "PromptFilteredError": "errors",
    "ProviderError": "errors",
    "QuotaError": "errors",
    "RateLimitError": "errors",
    "RecordingError": "errors",
    "RefusedError": "errors",
    "RequestTimeoutError": "errors",
    "ReviewView": "widgets.review.review_view",
    "SchemaError": "errors",
    "SchemaPicker": "widgets.schema.schema_picker",
    "ServerError": "errors",
    "StalledStreamError": "errors",
    "StoreError": "errors",
    "StoreWarning": "errors",
    "StreamInterruptedError": "errors",
    "Timeout": "http.limits",
    "ToolCall": "protocol.tool_calls",
    "ToolCallAggregator": "protocol.tool_calls",
    "ToolCallError": "errors",
    "ToolCallView": "widgets.tool_calls.tool_call_view",
    "ToolNotCalledError": "errors",
    "TruncatedError": "errors",
    "UnknownNameError": "errors",
    "ValidationFailedError": "errors",
    "WrongKeyError": "errors",
    "aextract": "tables.extract",
    "agrid": "tables.grid.grid",
    "arun_tools": "reasoning.tools",
    "display": "widgets.base.scale",
    "extract": "tables.extract",
    "grid": "tables.grid.grid",
    "lesson": "course.lesson",
    "plan": None,
    "record": "storage.recordings.recorder",
    "replay": "storage.recordings.player",
    "resume": "tables.runs",
    "run_tools": "reasoning.tools",
    "runs": "tables.runs",
    "score": "tables.score",
    "to_frame": "tables.frame",
    "tool_schemas": "generation.tool_schema",
}

__all__ = sorted(_HOME)

if TYPE_CHECKING:
    from . import plan as plan
    from .content.messages import ChatBlock as ChatBlock
    from .course.lesson import lesson as lesson
    from .errors import AuthenticationError as AuthenticationError
    from .errors import BadRequestError as BadRequestError
    from .errors import ConnectionFailedError as ConnectionFailedError
    from .errors import ContextLengthError as ContextLengthError
    from .errors import EmptyOutputError as EmptyOutputError
    from .errors import Fault as Fault
    from .errors import FilteredError as FilteredError
    from .errors import IncompleteOutputError as IncompleteOutputError
    from .errors import LocalModelError as LocalModelError
    from .errors import MediaError as MediaError
    from .errors import MsgfluxError as MsgfluxError
    from .errors import NotAnApiError as NotAnApiError
    from .errors import NotFoundError as NotFoundError
    from .errors import NotRecordedError as NotRecordedError
    from .errors import PermissionDeniedError as PermissionDeniedError
    from .errors import PrefillError as PrefillError
    from .errors import PromptFilteredError as PromptFilteredError
    from .errors import ProviderError as ProviderError
    from .errors import QuotaError as QuotaError
    from .errors import RateLimitError as RateLimitError
    from .errors import RecordingError as RecordingError
    from .errors import RefusedError as RefusedError
    from .errors import RequestTimeoutError as RequestTimeoutError
    from .errors import SchemaError as SchemaError
    from .errors import ServerError as ServerError
    from .errors import StalledStreamError as StalledStreamError
    from .errors import StoreError as StoreError
    from .errors import StoreWarning as StoreWarning
    from .errors import StreamInterruptedError as StreamInterruptedError
    from .errors import ToolCallError as ToolCallError
    from .errors import ToolNotCalledError as ToolNotCalledError
    from .errors import TruncatedError as TruncatedError
    from .errors import UnknownNameError as UnknownNameError
    from .errors import ValidationFailedError as ValidationFailedError
    from .errors import WrongKeyError as WrongKeyError
    from .generation.tool_schema import tool_schemas as tool_schemas
    from .http.limits import Timeout as Timeout
    from .models.chat import ChatCompletion as ChatCompletion
    from .models.model import Model as Model
    from .protocol.tool_calls import ToolCall as ToolCall
    from .protocol.tool_calls import ToolCallAggregator as ToolCallAggregator
    from .reasoning.tools import arun_tools as arun_tools
    from .reasoning.tools import run_tools as run_tools
    from .storage.recordings.player import replay as replay
    from .storage.recordings.recorder import record as record
    from .tables.chunks.chunk import Chunk as Chunk
    from .tables.extract import aextract as aextract
    from .tables.extract import extract as extract
    from .tables.frame import to_frame as to_frame
    from .tables.grid.grid import agrid as agrid
    from .tables.grid.grid import grid as grid
    from .tables.runs import resume as resume
    from .tables.runs import runs as runs
    from .tables.score import score as score
    from .widgets.base.scale import display as display
    from .widgets.conversation.message_builder import MessageBuilder as MessageBuilder
    from .widgets.extraction.extraction_view import ExtractionView as ExtractionView
    from .widgets.grid.grid_view import GridView as GridView
    from .widgets.plan.plan_view import PlanView as PlanView
    from .widgets.playground.playground import Playground as Playground
    from .widgets.prefill.prefill_editor import PrefillEditor as PrefillEditor
    from .widgets.review.review_view import ReviewView as ReviewView
    from .widgets.schema.schema_picker import SchemaPicker as SchemaPicker
    from .widgets.tool_calls.tool_call_view import ToolCallView as ToolCallView


def load_ipython_extension(shell: object) -> None:
    """Register ``%%chat`` and ``%%extract``; IPython calls this for ``%load_ext msgflux_nb``."""
    from .magics import load

    load(shell)


if not TYPE_CHECKING:  # hidden from type checkers, so that they find misspelt names

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module 'msgflux_nb' has no attribute {name!r}")
        home = _HOME[name]
        if home is None:
            return importlib.import_module(f"{__name__}.{name}")
        if home.startswith("tables."):
            importlib.import_module(f"{__name__}.pandas")
        value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
        globals()[name] = value
        return value

    class _Package(type(sys)):
        """This package, whose ``display`` stays the function even after the subpackage ``display/`` is imported."""

        @property
        def display(self) -> object:
            return __getattr__("display")

        @display.setter
        def display(self, _room: object) -> None: ...

    sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])


def _give_tables_their_mf() -> None:
    importlib.import_module(f"{__name__}.tables.accessor").register()


when_made.append(_give_tables_their_mf)

if hasattr(sys.modules.get("pandas"), "api"):  # missing while pandas is being imported
    importlib.import_module(f"{__name__}.pandas")
if hasattr(sys.modules.get("polars"), "api"):
    importlib.import_module(f"{__name__}.tables.frames.namespace").register_polars()
