"""Labels from a vision-language model, matched with the dictionary and verified (Sec. 4.1, Appendix B)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from ..errors import SemttaError, missing_extra, unlisted_label
from ..io.labels import no_label
from ..io.text import excerpt
from ..types import SegmentLabel, Video
from .answers import WORDS, Answer, Description, Malformed, Refused, parse
from .base import CostEstimate, LabelContext, Labeler, Usage, register
from .cache import AnswerCache
from .client import STOPPED, Account, Failed, ModelClient, Unanswered
from .frames import SpanFrames, encode, sample_span_frames, should_mark
from .local import LocalModel
from .models import Request, TooLong, VisionModel
from .prompts import Prompts
from .settings import VLMSettings
from .verification import ClipVerifier, make_verifier

if TYPE_CHECKING:
    from .remote import LiteLLM

#: Builds the model from settings and device.
MakeModel = Callable[[VLMSettings, str], VisionModel]


@dataclass(frozen=True)
class Proposal:
    """A model's description and label; the label is matched with the dictionary."""

    description: str
    label: str | None
    reason: str = ""


class VisionLanguageLabeler(Labeler):
    """Asks a model about each span. One object has one account, so that a budget covers all its videos."""

    early = True

    def __init__(
        self, name: str, make_model: MakeModel, settings: VLMSettings | None = None,
        check_model: Callable[[VLMSettings], None] | None = None,
    ) -> None:  # fmt: skip
        self.name, self._make_model, self.settings = name, make_model, settings or VLMSettings()
        self._check_model = check_model
        self._model: VisionModel | None = None
        self._verifier: tuple[ClipVerifier | None, str] | None = None
        self._account: Account | None = None

    def check(self, videos: Sequence[Video]) -> None:
        """As ``Labeler.check``: the model is known, its key is there, and answers can be cached."""
        AnswerCache(self.settings.cache_dir)
        if self._check_model is not None:
            self._check_model(self.settings)

    @property
    def usage(self) -> Usage:
        """The requests so far, and their cost."""
        return self._account.usage if self._account else Usage()

    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        """As ``Labeler.label``; a span without an answer gets no label but a reason. SemttaError if no answer is possible."""
        started, account = time.perf_counter(), self._open()
        work = self._span_labeler(video, context, account)
        futures: list[Future[SegmentLabel]] = []
        slots = BoundedSemaphore(2 * work.client.model.concurrency)  # spans whose images are in memory
        pool = ThreadPoolExecutor(work.client.model.concurrency, thread_name_prefix="semtta-label")
        try:
            for frames in sample_span_frames(video, spans, self.settings):
                while not slots.acquire(timeout=0.2):
                    _raise_first(futures)
                if context.stop.is_set():
                    slots.release()
                    break
                futures.append(pool.submit(work.label, frames))
                futures[-1].add_done_callback(lambda _: slots.release())
                if context.progress:
                    context.progress("labelling", sum(future.done() for future in futures), len(spans))
            labels = []
            for future in futures:
                labels.append(future.result())
                if context.progress:
                    context.progress("labelling", len(labels), len(spans))
        except BaseException:
            context.stop.set()
            raise
        finally:
            pool.shutdown(cancel_futures=context.stop.is_set())  # requests already sent are paid for: their answers are cached
        account.count(segments=len(labels), seconds=time.perf_counter() - started)
        by_span = {(item.start, item.stop): item for item in labels}
        return [by_span.get(span) or SegmentLabel(*span, None, source=self.name, reason=STOPPED) for span in spans]

    def estimate(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> CostEstimate:
        """What ``label`` would send for answers that are not cached. Sends nothing."""
        work = self._span_labeler(video, context, Account())
        client = work.client
        requests = cached = tokens_in = tokens_out = 0
        for frames in sample_span_frames(video, spans, self.settings):
            for request in work.first_requests(frames):
                if client.cached(request) is not None:
                    cached += 1
                    continue
                more_in, more_out = client.model.tokens(request)
                requests, tokens_in, tokens_out = requests + 1, tokens_in + more_in, tokens_out + more_out
        cost = None if client.model.prices() is None else client.cost(tokens_in, tokens_out)
        return CostEstimate(len(spans), requests, cached, tokens_in, tokens_out, cost)

    def _open(self) -> Account:
        if self._account is None:
            self._account = Account(self.settings.budget)
        return self._account

    def _span_labeler(self, video: Video, context: LabelContext, account: Account) -> SpanLabeler:
        if self._model is None:
            self._model = self._make_model(self.settings, context.device)
        if self._verifier is None:
            self._verifier = make_verifier(self.settings, context.device)
        cache = AnswerCache(self.settings.cache_dir)
        client = ModelClient(self._model, cache, account, self.settings, context.stop)
        return SpanLabeler(self.name, client, *self._verifier, context, should_mark(video, self.settings), self.settings)


@dataclass(frozen=True)
class SpanLabeler:
    """Turns the frames of one span into its label."""

    source: str
    client: ModelClient
    verifier: ClipVerifier | None
    unverified: str  # why there is no verifier
    context: LabelContext
    marked: bool
    settings: VLMSettings

    def label(self, frames: SpanFrames) -> SegmentLabel:
        """Ask, verify, ask once more if the label fits badly, and record any remaining doubt."""
        settings = self.settings
        try:
            proposal = self.propose(frames)
        except (Unanswered, Refused, Malformed, TooLong) as fault:
            self.client.account.count(failed=int(isinstance(fault, Failed)))
            return SegmentLabel(frames.start, frames.stop, None, source=self.source, reason=f"no answer: {fault}")
        except SemttaError:  # affects every segment
            self.context.stop.set()
            raise
        score = self.score(proposal, frames)
        if score is not None and score < settings.clip_threshold:
            proposal, score = self.ask_again(proposal, score, frames)
        reasons, trust = [proposal.reason, self.unverified if proposal.label else ""], 1.0
        if score is not None and score < settings.clip_threshold:
            reasons.append(f"in doubt: CLIP similarity {score:.2f} is below {settings.clip_threshold:.2f}, check it")
            trust = max(0.0, score / settings.clip_threshold)
        reason = "; ".join(filter(None, reasons))
        return SegmentLabel(frames.start, frames.stop, proposal.label, proposal.description, self.source, score, reason, trust)

    def ask_again(self, first: Proposal, score: float, frames: SpanFrames) -> tuple[Proposal, float | None]:
        """Ask again, with a note on the first answer's score; the answer that fits better is kept."""
        assert first.label is not None
        doubt = Prompts(self.settings, self.marked).again(first.label, first.description, score)
        try:
            second = self.propose(frames, doubt)
        except (Unanswered, Refused, Malformed, TooLong):
            return first, score
        second_score = self.score(second, frames)
        if second.label is None or (second_score is not None and second_score > score):
            return second, second_score
        return first, score

    def score(self, proposal: Proposal, frames: SpanFrames) -> float | None:
        """CLIP similarity between the label and the images; None without a label or a verifier."""
        if self.verifier is None or proposal.label is None:
            return None
        return self.verifier.score(proposal.label, frames.images)

    def propose(self, frames: SpanFrames, *notes: str) -> Proposal:
        """Get a label of the dictionary, in one step or two."""
        prompts, images = Prompts(self.settings, self.marked), encode(frames, self.settings, self.marked)
        dictionary = tuple(self.context.dictionary)
        if not self.too_long(dictionary):
            try:
                return self.match(self.ask(lambda *problems: prompts.label(frames, images, dictionary, *notes, *problems)))
            except TooLong:
                if self.context.nearest is None:
                    raise
        description = self.ask(lambda *problems: prompts.describe(frames, images, *problems)).description
        candidates = self.candidates(description)
        notes = (prompts.described(description), *notes)
        return self.match(self.ask(lambda *problems: prompts.label(frames, images, candidates, *notes, *problems)))

    def first_requests(self, frames: SpanFrames) -> list[Request]:
        """The requests that a segment takes at least, for a cost estimate."""
        prompts, images = Prompts(self.settings, self.marked), encode(frames, self.settings, self.marked)
        dictionary = tuple(self.context.dictionary)
        if not self.too_long(dictionary):
            return [prompts.label(frames, images, dictionary)]
        describe = prompts.describe(frames, images)
        reply, candidates, description = self.client.cached(describe), dictionary[: self.settings.candidates], "word " * WORDS
        if reply is not None:
            with suppress(Refused, Malformed):
                description = parse(reply.text, Description).description
                candidates = self.candidates(description)
        return [describe, prompts.label(frames, images, candidates, prompts.described(description))]

    def too_long(self, dictionary: Sequence[str]) -> bool:
        """Whether the dictionary is too long to send in full (at about four letters per token)."""
        return self.context.nearest is not None and sum(map(len, dictionary)) / 4 > self.settings.dictionary_tokens

    def candidates(self, description: str) -> tuple[str, ...]:
        """The dictionary's labels nearest to a description."""
        if self.context.nearest is None:
            return tuple(self.context.dictionary)
        return tuple(self.context.nearest(description, self.settings.candidates))

    def ask(self, build: Callable[..., Request]) -> Description:
        """Get an answer of the request's schema; an unreadable answer is requested again with a note on the problem."""
        problems: tuple[str, ...] = ()
        for attempt in range(self.settings.attempts):
            request = build(*problems)
            reply = self.client.ask(request)
            if reply.refused:
                raise Refused(f"the model refuses ({excerpt(reply.text, 80) or 'filtered'})")
            try:
                return parse(reply.text, request.schema)
            except Refused as refusal:
                raise Refused(f"the model refuses ({refusal})") from None
            except Malformed as problem:
                if reply.cut_off:  # the same question would be cut off again
                    raise Malformed(self.client.cut_off()) from None
                if attempt + 1 == self.settings.attempts:
                    raise Malformed(f"the model's answer is not as asked for ({problem}), {attempt + 1} times") from None
                problems = (Prompts(self.settings, self.marked).malformed(f"{problem} (attempt {attempt + 1})"),)
        raise AssertionError("attempts is at least 1")

    def match(self, answer: Description) -> Proposal:
        """Match an answer with the dictionary: the same label, the nearest one above the floor, or none, with the reason."""
        assert isinstance(answer, Answer)
        wording = answer.label.strip().strip("\"'").rstrip(".").strip()
        if no_label(wording):
            return Proposal(answer.description, None, "the model finds no label that fits")
        if self.context.resolve is not None:
            label, _, reason = self.context.resolve(wording)
            return Proposal(answer.description, label, reason)
        known = {name.casefold(): name for name in self.context.dictionary}
        label = known.get(wording.casefold()) if known else wording
        near = self.context.nearest(wording, 3) if self.context.nearest is not None else ()
        reason = unlisted_label(wording, self.context.dictionary, near, "no label")
        return Proposal(answer.description, label, "" if label else reason)


def _raise_first(futures: Sequence[Future[SegmentLabel]]) -> None:
    for future in futures:
        if future.done() and future.exception() is not None:
            future.result()


@register("gpt4o", settings=VLMSettings)
def gpt4o(settings: VLMSettings) -> VisionLanguageLabeler:
    """GPT-4o, as in the paper; the key is read from OPENAI_API_KEY."""
    return _remote("gpt4o", "gpt-4o", settings)


@register("vlm", settings=VLMSettings, argument="MODEL")
def vlm(model: str | VLMSettings, settings: VLMSettings | None = None) -> VisionLanguageLabeler:
    """Any model that litellm reaches: ``vlm:ollama/qwen2.5vl``."""
    name = _model_name(model, "vlm:ollama/qwen2.5vl, vlm:gemini/gemini-2.5-flash ...", "vlm")
    return _remote(f"vlm:{name}", name, settings)


@register("local", settings=VLMSettings, argument="MODEL")
def local(model: str | VLMSettings, settings: VLMSettings | None = None) -> VisionLanguageLabeler:
    """A transformers model on this machine: ``local:FOLDER``."""
    name = _model_name(model, "local:FOLDER, or a name that transformers knows", "local")
    return VisionLanguageLabeler(f"local:{name}", lambda settings, device: LocalModel(name, settings, device), settings)


def _remote(name: str, model: str, settings: VLMSettings | None) -> VisionLanguageLabeler:
    def make(settings: VLMSettings, device: str = "") -> LiteLLM:
        try:
            from .remote import LiteLLM
        except ImportError as error:  # of the HTTP client that litellm brings
            raise missing_extra("A vision-language model", "vlm", error) from error
        return LiteLLM(model, settings)

    return VisionLanguageLabeler(name, make, settings, lambda settings: make(settings).check())


def _model_name(model: str | VLMSettings, examples: str, labeler: str) -> str:
    if not isinstance(model, str) or not model:  # named without an argument
        raise SemttaError(f"The labeler '{labeler}' needs a model: --labeler {examples}.")
    return model
