"""Asking: each question once, within the budget, again after faults that pass, with every answer kept first."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import defaultdict
from typing import Any

from ..errors import SemttaError
from .base import Usage
from .cache import AnswerCache
from .models import Fault, Passing, Reply, Request, TooLong, VisionModel
from .settings import VLMSettings

log = logging.getLogger(__name__)
#: Cost / estimate that is reckoned with before any answer.
_FIRST_MARGIN = 1.5


class Unanswered(Exception):
    """A question without an answer; the message says why."""


class OverBudget(Unanswered):
    """It was not asked, because its answer might have passed the budget."""


class Account:
    """Usage and budget, for several threads. What a request may cost at most is reserved before it is sent."""

    def __init__(self, budget: float | None = None) -> None:
        self.budget, self.usage = budget, Usage()
        self.told = False  # that pictures leave the machine
        self._reserved = 0.0
        self._margin: float | None = None  # largest cost / estimate so far: pictures may cost more than the estimate
        self._changed = threading.Condition()

    def count(self, **more: Any) -> None:
        """Add to the usage."""
        with self._changed:
            for name, value in more.items():
                setattr(self.usage, name, getattr(self.usage, name) + value)

    def reserve(self, estimate: float) -> float:
        """Wait until the amount fits beside what is under way, and set it aside; OverBudget if it never will.

        Until the first answer has told how far the estimates are off, requests are sent one at a time.
        """
        if self.budget is None or not estimate:
            return 0.0
        with self._changed:
            while True:
                amount = estimate * (_FIRST_MARGIN if self._margin is None else self._margin)
                if self.usage.cost + amount > self.budget:
                    raise OverBudget(f"not asked: the budget of ${self.budget:g} might be passed")
                alone = self._margin is None and self._reserved > 0
                if not alone and self.usage.cost + self._reserved + amount <= self.budget:
                    self._reserved += amount
                    return amount
                self._changed.wait()

    def settle(self, estimate: float, reserved: float, cost: float) -> None:
        """The request of this estimate is over and has cost this much."""
        with self._changed:
            self._reserved = max(0.0, self._reserved - reserved)
            self.usage.cost += cost
            if cost and estimate:
                self._margin = max(self._margin or 1.0, 1.1 * cost / estimate)
            self._changed.notify_all()


class Asker:
    """Asks one model."""

    def __init__(
        self, model: VisionModel, cache: AnswerCache, account: Account, settings: VLMSettings, stop: threading.Event
    ) -> None:
        self.model, self.cache, self.account, self.settings, self.stop = model, cache, account, settings, stop
        self._prices = model.prices()
        self._asking: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._shared = threading.Lock()
        self._not_before = 0.0  # a server that asks to wait is left alone by every thread
        if self._prices is None:
            account.usage.priced = False
            if account.budget is not None:
                raise SemttaError(
                    f"--budget: the price of '{model.name}' is not known. Give US dollars for a million input and output "
                    "tokens, as --set vlm.prices=[2.5,10]."
                )

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars; 0 if the price is not known."""
        each = self._prices or (0.0, 0.0)
        return input_tokens * each[0] + output_tokens * each[1]

    def estimate(self, request: Request) -> float:
        """What a request may cost at most."""
        return self.cost(*self.model.tokens(request)) if self._prices and any(self._prices) else 0.0

    def kept(self, request: Request) -> Reply | None:
        """The answer on disk, if there is one."""
        return self.cache.get(self.cache.key(request, self.model.identity))

    def ask(self, request: Request) -> Reply:
        """The answer, from disk if it is there. Raises Unanswered, TooLong, or SemttaError."""
        key = self.cache.key(request, self.model.identity)
        with self._shared:
            asking = self._asking[key]
        with asking:  # two segments that look the same are one question
            reply = self.cache.get(key)
            if reply is not None:
                self.account.count(cached=1)
                return reply
            reply = self._send(request)
            self.cache.put(key, reply)
            return reply

    def _send(self, request: Request) -> Reply:
        last = ""
        for attempt in range(self.settings.attempts):
            self._pause()
            if self.stop.is_set():
                raise Unanswered("not asked: labelling was stopped")
            estimate, cost = self.estimate(request), 0.0
            reserved = self.account.reserve(estimate)
            self.account.count(requests=1, retries=int(attempt > 0))
            try:
                self._tell()
                reply = self.model.ask(request)
                cost = self.cost(reply.input_tokens, reply.output_tokens)
                self.account.count(input_tokens=reply.input_tokens, output_tokens=reply.output_tokens)
                if reply.text.strip() or reply.refused:
                    return reply
                last, wait = "the answer was empty", None
            except Passing as fault:
                last, wait = str(fault), fault.wait_s
            except TooLong:
                raise
            except Fault as fault:
                raise Unanswered(str(fault)) from None
            finally:
                self.account.settle(estimate, reserved, cost)
            if wait is not None and wait > self.settings.max_wait_s:
                raise Unanswered(f"{last}; the server asks to wait for {wait:.0f} s")
            if attempt + 1 < self.settings.attempts:
                self._wait(attempt, wait)
        raise Unanswered(f"{last}, {self.settings.attempts} times")

    def _wait(self, attempt: int, asked: float | None) -> None:
        """Exponential backoff with jitter for this thread; what the server asks for holds for every thread."""
        if asked is not None:
            with self._shared:
                self._not_before = max(self._not_before, time.monotonic() + asked)
            return
        pause = min(self.settings.max_wait_s, self.settings.backoff_s * 2**attempt)
        self.stop.wait(pause * random.uniform(0.5, 1))

    def _pause(self) -> None:
        while (left := self._not_before - time.monotonic()) > 0 and not self.stop.wait(left):
            pass

    def _tell(self) -> None:
        with self._shared:
            told, self.account.told = self.account.told, True
        if self.model.host and not told:
            log.warning(
                "Pictures leave this machine: crops of the person, at most %d px, go to '%s' (%s).",
                self.settings.size_px, self.model.name, self.model.host,
            )  # fmt: skip
