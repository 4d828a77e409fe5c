"""``confidence=`` of a batch: from the probabilities of tokens, or from the agreement of several answers."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from ...errors import BadRequestError, MsgfluxError, brief
from ...protocol.profile import with_probabilities
from ..compare import same_cell
from ..dtypes import columns
from ..fields import Cells
from .measure import FieldMeter
from .tokens import has_probabilities

__all__ = ["Judge", "judge_of"]

_MOST_SAMPLES = 64
_INSTEAD = "confidence=3 asks each row three times and counts how often the answers agree; it works with every provider"


class Judge:
    """Computes the confidence of a batch's answers.

    Args:
        schema: the type of the answers.
        samples: how often each row is asked; 1 to use the probabilities of tokens.

    Attributes:
        samples: how often each row is asked.
    """

    def __init__(self, schema: Any, samples: int) -> None:
        self.samples = samples
        self._columns = columns(schema)
        self._meter = FieldMeter(schema) if samples == 1 else None
        self._heard = False  # whether an answer had probabilities

    def asked(self, model: Any) -> Any:
        """Return the model with the options that the confidence needs.

        Raises:
            ValueError: the model cannot give this kind of confidence.
        """
        options = getattr(model, "options", {})
        if self._meter is None:
            if options.get("temperature") == 0 or options.get("seed") is not None:
                raise ValueError(
                    f"confidence={self.samples} needs answers that vary, but this model has temperature=0 or a seed; "
                    "give a model without them, or confidence=True for probabilities"
                )
            if not callable(getattr(model, "numbered", None)):
                raise ValueError(f"confidence: {model.name} cannot give several answers; expected mf.Model")
            return model
        profile, asked = getattr(model, "profile", None), None
        if profile is not None:
            asked = with_probabilities(options, profile, model.wire, alternatives=options.get("top_logprobs"))
        if asked is None:
            raise ValueError(f"confidence=True: {model.name} gives no probabilities of tokens. {_INSTEAD}")
        made = copy.copy(model)
        made.options = asked
        return made

    def others(self, model: Any) -> list[Any]:
        """Return the models for a row's further answers."""
        return [model.numbered(number) for number in range(1, self.samples)]

    def measured(self, answer: bytes | None, text: str | None) -> dict[str, float] | None:
        """Return the confidence of each field of an answer from its tokens; None if samples are counted instead."""
        return None if self._meter is None else self._meter.measured(answer, text)

    def chances(self, answer: bytes | None, text: str | None) -> dict[str, dict[str, float]]:
        """Return for each choice the probability of its legal values, as JSON; empty if samples are counted instead."""
        return {} if self._meter is None else self._meter.chances(answer, text)

    def impossible(self, answer: bytes | None) -> MsgfluxError | None:
        """Return the error if the provider's answers have no probabilities; None as long as they may have."""
        if self._meter is None or self._heard or answer is None:
            return None
        self._heard = has_probabilities(answer)
        if self._heard:
            return None
        return MsgfluxError(
            "confidence=True: the provider was asked for the probabilities of tokens and sent none with its answer, so "
            f"nothing more was asked. {_INSTEAD}"
        )

    def refused(self, error: BaseException) -> MsgfluxError | None:
        """Return the error if the provider refuses to send probabilities; None for any other error."""
        if self._meter is None or not isinstance(error, BadRequestError) or "logprobs" not in str(error):
            return None
        return MsgfluxError(f"confidence=True: the provider gives no probabilities of tokens ({error}). {_INSTEAD}")

    def agreed(self, values: Sequence[Any]) -> dict[str, float]:
        """Return for each field the share of the answers that agree with the first.

        Args:
            values: the answers; None for an unusable one, which agrees with nothing.
        """
        cells, found = Cells(values), {}
        for column in self._columns:
            first, *others = cells.of(column)
            same = [value is not None and same_cell(first, one) for value, one in zip(values[1:], others, strict=True)]
            found[column.name] = (1 + sum(same)) / len(values)
        return found


def judge_of(confidence: Any, schema: Any) -> Judge | None:
    """Return the judge for ``confidence=``, or None without confidence.

    Raises:
        ValueError: ``confidence`` is neither True nor a number of answers.
    """
    if confidence is None or confidence is False:
        return None
    if confidence is True:
        return Judge(schema, 1)
    if not isinstance(confidence, int) or not 2 <= confidence <= _MOST_SAMPLES:
        raise ValueError(
            f"confidence: expected True for the probabilities of tokens, or a number of answers from 2 to "
            f"{_MOST_SAMPLES} to count agreement, got {brief(confidence)}"
        )
    return Judge(schema, confidence)
