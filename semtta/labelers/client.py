"""Requests to a model: cached, within a budget, and repeated after transient faults."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import defaultdict
from typing import Any

from ..errors import SemttaError
from ..io.text import excerpt
from .base import Usage
from .cache import AnswerCache
from .models import Fault, NoServer, Refusal, Reply, Request, TooLong, TransientFault, VisionModel
from .settings import VLMSettings

log = logging.getLogger(__name__)
#: Ratio of cost to estimate that is assumed before the first answer.
_FIRST_MARGIN = 1.5
STOPPED = "not asked: labelling was stopped"


class Unanswered(Exception):
    """A request without an answer; the message says why."""


class Failed(Unanswered):
    """Nothing came back that could be used, however often the request was sent."""


class OverBudget(Unanswered):
    """The request was not sent, because its cost might have exceeded the budget."""


class Account:
    """Usage and budget, shared by several threads. The largest possible cost of a request is reserved before it is sent."""

    def __init__(self, budget: float | None = None) -> None:
        self.budget, self.usage = budget, Usage()
        self.warned = False  # that images leave the machine
        self._reserved = 0.0
        self._margin: float | None = None  # largest ratio of cost to estimate so far: images may cost more than estimated
        self._changed = threading.Condition()

    def count(self, **amounts: Any) -> None:
        """Add to the usage."""
        with self._changed:
            for name, value in amounts.items():
                setattr(self.usage, name, getattr(self.usage, name) + value)

    def reserve(self, estimate: float) -> float:
        """Wait until the amount fits beside the pending requests, and reserve it; OverBudget if it never will.

        Until the first answer shows how accurate the estimates are, requests are sent one at a time.
        """
        if self.budget is None or not estimate:
            return 0.0
        with self._changed:
            while True:
                amount = estimate * (_FIRST_MARGIN if self._margin is None else self._margin)
                if self.usage.cost + amount > self.budget:
                    raise OverBudget(f"not asked: the budget of ${self.budget:g} might be exceeded")
                must_wait = self._margin is None and self._reserved > 0
                if not must_wait and self.usage.cost + self._reserved + amount <= self.budget:
                    self._reserved += amount
                    return amount
                self._changed.wait()

    def settle(self, estimate: float, reserved: float, cost: float) -> None:
        """Book the ``cost`` of a finished request in place of what was reserved for it."""
        with self._changed:
            self._reserved = max(0.0, self._reserved - reserved)
            self.usage.cost += cost
            if cost and estimate:
                self._margin = max(self._margin or 1.0, 1.1 * cost / estimate)
            self._changed.notify_all()


class ModelClient:
    """Sends requests to one model."""

    def __init__(
        self, model: VisionModel, cache: AnswerCache, account: Account, settings: VLMSettings, stop: threading.Event
    ) -> None:
        self.model, self.cache, self.account, self.settings, self.stop = model, cache, account, settings, stop
        self._prices = model.prices()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._shared = threading.Lock()
        self._not_before = 0.0  # when a server asks to wait, every thread waits
        if self._prices is None:
            account.usage.priced = False
            if account.budget is not None:
                raise SemttaError(
                    f"--budget: the price of '{model.name}' is not known. Give it in US dollars per million input and output "
                    "tokens: --set vlm.prices=[2.5,10]."
                )

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """The cost in US dollars; 0 if the price is not known."""
        input_price, output_price = self._prices or (0.0, 0.0)
        return input_tokens * input_price + output_tokens * output_price

    def estimate(self, request: Request) -> float:
        """The largest possible cost of a request, in US dollars."""
        return self.cost(*self.model.tokens(request)) if self._prices and any(self._prices) else 0.0

    def cached(self, request: Request) -> Reply | None:
        """The answer in the cache, if there is one."""
        return self.cache.get(self.cache.key(request, self.model.identity))

    def ask(self, request: Request) -> Reply:
        """The answer, from the cache if it is there. Raises Unanswered, TooLong, or SemttaError."""
        key = self.cache.key(request, self.model.identity)
        with self._shared:
            lock = self._locks[key]
        with lock, self.cache.claim(key, self.stop) as claimed:  # identical requests are sent once, also by two runs
            reply = self.cache.get(key)
            if reply is not None:
                self.account.count(cached=1)
                return reply
            if not claimed:
                raise Unanswered(STOPPED)
            reply = self._send(request)
            self.cache.put(key, reply)
            return reply

    def _send(self, request: Request) -> Reply:
        problem, server = "", True
        for attempt in range(self.settings.attempts):
            self._pause()
            if self.stop.is_set():
                raise Unanswered(STOPPED)
            estimate, cost = self.estimate(request), 0.0
            reserved = self.account.reserve(estimate)
            self.account.count(requests=1, retries=int(attempt > 0))
            try:
                self._warn_once()
                reply = self.model.ask(request)
                cost = self.cost(reply.input_tokens, reply.output_tokens)
                self.account.count(input_tokens=reply.input_tokens, output_tokens=reply.output_tokens)
                if reply.text.strip() or reply.refused:
                    return reply
                if reply.cut_off:  # a reasoning model that came to no answer; the same request would end in the same way
                    raise Unanswered(self.cut_off())
                problem, wait, server = "the answer was empty", None, True
            except TransientFault as fault:
                problem, wait, server = str(fault), fault.wait_s, not isinstance(fault, NoServer)
            except TooLong:
                raise
            except Refusal as fault:
                raise Unanswered(str(fault)) from None
            except Fault as fault:
                raise Failed(str(fault)) from None
            finally:
                self.account.settle(estimate, reserved, cost)
            if wait is not None and wait > self.settings.max_wait_s:
                raise Failed(f"{problem}; the server asks to wait for {wait:.0f} s")
            if attempt + 1 < self.settings.attempts:
                self._wait(attempt, wait)
        if not server:
            raise SemttaError(
                f"'{excerpt(self.model.name, 60)}': {problem}, {self.settings.attempts} times. Is the server running, and is "
                "--api-base right? Answers so far are kept."
            )
        raise Failed(f"{problem}, {self.settings.attempts} times")

    def cut_off(self) -> str:
        """Why there is no answer if it was cut off."""
        return f"the answer was cut off at {self.settings.max_tokens} tokens: raise vlm.max_tokens"

    def _wait(self, attempt: int, retry_after: float | None) -> None:
        """Exponential backoff with jitter for this thread; a wait requested by the server holds for every thread."""
        if retry_after is not None:
            with self._shared:
                self._not_before = max(self._not_before, time.monotonic() + retry_after)
            return
        pause = min(self.settings.max_wait_s, self.settings.backoff_s * 2**attempt)
        self.stop.wait(pause * random.uniform(0.5, 1))

    def _pause(self) -> None:
        while (left := self._not_before - time.monotonic()) > 0 and not self.stop.wait(left):
            pass

    def _warn_once(self) -> None:
        with self._shared:
            warned, self.account.warned = self.account.warned, True
        if self.model.host and not warned:
            log.warning(
                "Images leave this machine: crops of the person, at most %d px, go to '%s' (%s).",
                self.settings.size_px, self.model.name, self.model.host,
            )  # fmt: skip
