"""Yields the items of a list while its answer arrives, each as soon as it is complete and valid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import MsgfluxError, SchemaError, ToolCallError
from ..generation.decode import decode_answer
from ..generation.item_texts import ItemTexts
from ..generation.list_items import ListItems, list_items
from ..protocol.events import Event
from ..protocol.tool_calls import ToolCallAggregator
from .call import Call
from .partials import StructureText

__all__ = ["RowReader"]


class RowReader:
    """Reads the items of a list while the call's answer arrives.

    Args:
        call: the call.

    Raises:
        SchemaError: the answer has no list.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._items = self._list()
        self._text = StructureText(call)
        self._texts = ItemTexts(self._items.key, bare=self._items.field is None)
        self._found = 0
        self._broken: set[int] = set()  # the indices of items that did not fit
        self._rows: list[Any] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Give an error that is raised inside the block the items so far, as its ``rows``."""
        try:
            yield
        except MsgfluxError as error:
            error.rows = list(self._rows)
            raise

    def after(self, event: Event) -> Iterator[Any]:
        """Yield the items that an event has completed."""
        text = self._text.new(event)
        for item in self._texts.feed(text) if text else ():
            place, self._found = self._found, self._found + 1
            try:
                value = decode_answer(item, self._items.wire).value
            except (MsgfluxError, RecursionError):
                self._broken.add(place)
                continue
            if not (self._items.distinct and value in self._rows):
                self._rows.append(value)
                yield value

    def rest(self, value: Any) -> Iterator[Any]:
        """Yield the items of the whole answer that were not yet yielded.

        Raises:
            ToolCallError: tools were called instead.
        """
        if isinstance(value, ToolCallAggregator):
            raise ToolCallError("rows: expected a list, got tool calls; they are in .aggregator")
        for place, row in enumerate(self._list().of(value)):
            is_new = row not in self._rows if self._items.distinct else place >= self._found or place in self._broken
            if is_new:
                self._rows.append(row)
                yield row

    def _list(self) -> ListItems:
        schema = self._call.request.schema
        if schema is None:
            raise SchemaError("rows: expected a call with generation_schema=list[...], got one without a schema")
        return list_items(schema)
