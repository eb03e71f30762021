"""Labels from a vision-language model: shown, asked, matched with the dictionary, verified (Sec. 4.1, Appendix B)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import BoundedSemaphore

from ..errors import SemttaError
from ..io.labels import no_label
from ..types import SegmentLabel, Video
from .answers import WORDS, Answer, Description, Malformed, Refused, parse
from .asking import Account, Asker, Unanswered
from .base import CostEstimate, LabelContext, Labeler, Usage, register
from .cache import AnswerCache
from .frames import Shots, encode, should_mark, take_shots
from .local import LocalModel
from .models import Request, TooLong, VisionModel
from .prompts import Prompts
from .remote import LiteLLM
from .settings import VLMSettings
from .verification import ClipVerifier, make_verifier

#: Makes the model, by settings and device.
MakeModel = Callable[[VLMSettings, str], VisionModel]


@dataclass(frozen=True)
class Proposal:
    """A label as the model gave it and as the dictionary has it."""

    description: str
    label: str | None
    reason: str = ""


class VisionLanguageLabeler(Labeler):
    """Asks a model about each span. One object keeps one account, so that a budget holds for all its videos."""

    early = True

    def __init__(self, name: str, make_model: MakeModel, settings: VLMSettings | None = None) -> None:
        self.name, self._make_model, self.settings = name, make_model, settings or VLMSettings()
        self._model: VisionModel | None = None
        self._verifier: tuple[ClipVerifier | None, str] | None = None
        self._account: Account | None = None

    @property
    def usage(self) -> Usage:
        """What it has asked for so far."""
        return self._account.usage if self._account else Usage()

    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        """As ``Labeler.label``; a span without an answer gets no label, and the reason. SemttaError if none can be had."""
        began, account = time.perf_counter(), self._open()
        work = self._work(video, context, account)
        places: list[Future[SegmentLabel]] = []
        room = BoundedSemaphore(2 * work.asker.model.concurrency)  # spans whose pictures are in memory
        pool = ThreadPoolExecutor(work.asker.model.concurrency, thread_name_prefix="semtta-label")
        try:
            for shots in take_shots(video, spans, self.settings):
                while not room.acquire(timeout=0.2):
                    _raise_first(places)
                if context.stop.is_set():
                    room.release()
                    break
                places.append(pool.submit(work.label, shots))
                places[-1].add_done_callback(lambda _: room.release())
                if context.progress:
                    context.progress("labelling", sum(place.done() for place in places), len(spans))
            found = []
            for place in places:
                found.append(place.result())
                if context.progress:
                    context.progress("labelling", len(found), len(spans))
        except BaseException:
            context.stop.set()
            raise
        finally:
            pool.shutdown(cancel_futures=context.stop.is_set())  # what is under way is paid for: it is kept
        account.count(segments=len(found), seconds=time.perf_counter() - began)
        by_span = {(item.start, item.stop): item for item in found}
        stopped = "not asked: labelling was stopped"
        return [by_span.get(span) or SegmentLabel(*span, None, source=self.name, reason=stopped) for span in spans]

    def estimate(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> CostEstimate:
        """What ``label`` would send for answers that are not on disk. Sends nothing."""
        work = self._work(video, context, Account())
        asker = work.asker
        requests = cached = tokens_in = tokens_out = 0
        for shots in take_shots(video, spans, self.settings):
            for request in work.first_requests(shots):
                if asker.kept(request) is not None:
                    cached += 1
                    continue
                more_in, more_out = asker.model.tokens(request)
                requests, tokens_in, tokens_out = requests + 1, tokens_in + more_in, tokens_out + more_out
        cost = None if asker.model.prices() is None else asker.cost(tokens_in, tokens_out)
        return CostEstimate(len(spans), requests, cached, tokens_in, tokens_out, cost)

    def _open(self) -> Account:
        if self._account is None:
            self._account = Account(self.settings.budget)
        return self._account

    def _work(self, video: Video, context: LabelContext, account: Account) -> SpanWork:
        if self._model is None:
            self._model = self._make_model(self.settings, context.device)
        if self._verifier is None:
            self._verifier = make_verifier(self.settings, context.device)
        cache = AnswerCache(self.settings.cache_dir)
        asker = Asker(self._model, cache, account, self.settings, context.stop)
        return SpanWork(self.name, asker, *self._verifier, context, should_mark(video, self.settings), self.settings)


@dataclass(frozen=True)
class SpanWork:
    """From the shots of one span to its label."""

    source: str
    asker: Asker
    verifier: ClipVerifier | None
    unverified: str  # why there is no verifier
    context: LabelContext
    marked: bool
    settings: VLMSettings

    def label(self, shots: Shots) -> SegmentLabel:
        """Ask, verify, ask once more if the label fits badly, and say what is left in doubt."""
        settings = self.settings
        try:
            proposal = self.propose(shots)
        except (Unanswered, Refused, Malformed, TooLong) as fault:
            return SegmentLabel(shots.start, shots.stop, None, source=self.source, reason=f"no answer: {fault}")
        except SemttaError:  # it holds for every segment
            self.context.stop.set()
            raise
        score = self.score(proposal, shots)
        if score is not None and score < settings.clip_threshold:
            proposal, score = self.ask_again(proposal, score, shots)
        reasons, trust = [proposal.reason, self.unverified if proposal.label else ""], 1.0
        if score is not None and score < settings.clip_threshold:
            reasons.append(f"in doubt: CLIP similarity {score:.2f} is below {settings.clip_threshold:.2f}, check it")
            trust = max(0.0, score / settings.clip_threshold)
        reason = "; ".join(filter(None, reasons))
        return SegmentLabel(shots.start, shots.stop, proposal.label, proposal.description, self.source, score, reason, trust)

    def ask_again(self, first: Proposal, score: float, shots: Shots) -> tuple[Proposal, float | None]:
        """A second answer, told of the first one's failure; whichever fits better stays."""
        assert first.label is not None
        doubt = Prompts(self.settings, self.marked).again(first.label, first.description, score)
        try:
            second = self.propose(shots, doubt)
        except (Unanswered, Refused, Malformed, TooLong):
            return first, score
        again = self.score(second, shots)
        if second.label is None or (again is not None and again > score):
            return second, again
        return first, score

    def score(self, proposal: Proposal, shots: Shots) -> float | None:
        """CLIP similarity of label and pictures; None without a label or a verifier."""
        if self.verifier is None or proposal.label is None:
            return None
        return self.verifier.score(proposal.label, shots.images)

    def propose(self, shots: Shots, *more: str) -> Proposal:
        """One or two steps to a label of the dictionary."""
        prompts, images = Prompts(self.settings, self.marked), encode(shots, self.settings, self.marked)
        dictionary = tuple(self.context.dictionary)
        if not self.too_long(dictionary):
            try:
                return self.match(self.ask(lambda *why: prompts.label(shots, images, dictionary, *more, *why)))
            except TooLong:
                if self.context.nearest is None:
                    raise
        seen = self.ask(lambda *why: prompts.describe(shots, images, *why)).description
        choice = self.candidates(seen)
        told = (prompts.described(seen), *more)
        return self.match(self.ask(lambda *why: prompts.label(shots, images, choice, *told, *why)))

    def first_requests(self, shots: Shots) -> list[Request]:
        """What a segment takes at least, for an estimate."""
        prompts, images = Prompts(self.settings, self.marked), encode(shots, self.settings, self.marked)
        dictionary = tuple(self.context.dictionary)
        if not self.too_long(dictionary):
            return [prompts.label(shots, images, dictionary)]
        describe = prompts.describe(shots, images)
        reply, choice, seen = self.asker.kept(describe), dictionary[: self.settings.candidates], "word " * WORDS
        if reply is not None:
            with suppress(Refused, Malformed):
                seen = parse(reply.text, Description).description
                choice = self.candidates(seen)
        return [describe, prompts.label(shots, images, choice, prompts.described(seen))]

    def too_long(self, dictionary: Sequence[str]) -> bool:
        """Whether the dictionary is not sent whole (about four letters are a token)."""
        return self.context.nearest is not None and sum(map(len, dictionary)) / 4 > self.settings.dictionary_tokens

    def candidates(self, description: str) -> tuple[str, ...]:
        """The dictionary's labels that are nearest to a description."""
        if self.context.nearest is None:
            return tuple(self.context.dictionary)
        return tuple(self.context.nearest(description, self.settings.candidates))

    def ask(self, build: Callable[..., Request]) -> Description:
        """An answer of the request's schema; one that cannot be read is asked for again, told what was wrong."""
        why: tuple[str, ...] = ()
        for attempt in range(self.settings.attempts):
            request = build(*why)
            reply = self.asker.ask(request)
            if reply.refused:
                raise Refused(f"the model refuses ({reply.text.strip()[:80] or 'filtered'})")
            try:
                return parse(reply.text, request.schema)
            except Refused as refusal:
                raise Refused(f"the model refuses ({refusal})") from None
            except Malformed as problem:
                if attempt + 1 == self.settings.attempts:
                    raise Malformed(f"the model's answer is not as asked for ({problem}), {attempt + 1} times") from None
                why = (Prompts(self.settings, self.marked).malformed(f"{problem} (attempt {attempt + 1})"),)
        raise AssertionError("attempts is at least 1")

    def match(self, answer: Description) -> Proposal:
        """The dictionary's label for an answer: its own, the nearest above the floor, or none; both are told."""
        assert isinstance(answer, Answer)
        said = answer.label.strip().strip("\"'").rstrip(".").strip()
        if no_label(said):
            return Proposal(answer.description, None, "the model finds no label that fits")
        if self.context.resolve is not None:
            label, _, why = self.context.resolve(said)
            return Proposal(answer.description, label, why)
        known = {name.casefold(): name for name in self.context.dictionary}
        label = known.get(said.casefold()) if known else said
        return Proposal(answer.description, label, "" if label else f"'{said}' is not a label of the dictionary")


def _raise_first(places: Sequence[Future[SegmentLabel]]) -> None:
    for place in places:
        if place.done() and place.exception() is not None:
            place.result()


@register("gpt4o", settings=VLMSettings)
def gpt4o(settings: VLMSettings) -> VisionLanguageLabeler:
    """GPT-4o, as in the paper; the key is read from OPENAI_API_KEY."""
    return VisionLanguageLabeler("gpt4o", lambda settings, device: LiteLLM("gpt-4o", settings), settings)


@register("vlm", settings=VLMSettings, argument="MODEL")
def vlm(model: str | VLMSettings, settings: VLMSettings | None = None) -> VisionLanguageLabeler:
    """Any model that litellm reaches: ``vlm:ollama/qwen2.5vl``."""
    name = _model_name(model, "vlm:ollama/qwen2.5vl, vlm:gemini/gemini-2.5-flash ...", "vlm")
    return VisionLanguageLabeler(f"vlm:{name}", lambda settings, device: LiteLLM(name, settings), settings)


@register("local", settings=VLMSettings, argument="MODEL")
def local(model: str | VLMSettings, settings: VLMSettings | None = None) -> VisionLanguageLabeler:
    """A model of transformers on this machine: ``local:FOLDER``."""
    name = _model_name(model, "local:FOLDER, or a name that transformers knows", "local")
    return VisionLanguageLabeler(f"local:{name}", lambda settings, device: LocalModel(name, settings, device), settings)


def _model_name(model: str | VLMSettings, examples: str, labeler: str) -> str:
    if not isinstance(model, str) or not model:  # the name came without an argument
        raise SemttaError(f"The labeler '{labeler}' needs a model: --labeler {examples}.")
    return model
