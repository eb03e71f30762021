"""Models that litellm reaches: OpenAI, Gemini, Claude, Ollama, vLLM, any OpenAI-compatible server."""

from __future__ import annotations

import base64
import logging
import os
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any
from urllib.parse import urlsplit

import httpx

from ..errors import SemttaError, missing_extra
from ..io.text import excerpt
from .models import Fault, NoServer, Refusal, Reply, Request, TooLong, TransientFault
from .settings import VLMSettings
from .transport import LimitedClient, Unacceptable

_LOCAL = {"", "localhost", "127.0.0.1", "::1", "0.0.0.0"}
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
#: Providers that run on the user's machine unless their address variable is set.
_LOCAL_PROVIDERS = {"ollama": "OLLAMA_API_BASE", "ollama_chat": "OLLAMA_API_BASE"}
#: Other names of keys that litellm looks for.
_OTHER_KEYS = {"gemini": ("GOOGLE_API_KEY",), "openrouter": ("OR_API_KEY",), "huggingface": ("HF_TOKEN",)}
_HOST = re.compile(r"[\w.:%-]{1,253}")
_BAD = "(invalid|not valid|incorrect|expired|missing)"
_KEY_ERROR = re.compile(rf"api[ _-]?key.{{0,40}}{_BAD}|{_BAD} api[ _-]?key", re.IGNORECASE)
NOT_UNDERSTOOD = "the answer has a form that is not understood"
#: Given to the libraries above the HTTP client before a request is left behind.
_GRACE_S = 2.0
_SCHEMA_ERROR = re.compile(r"response_format|json_schema|structured|guided|schema", re.IGNORECASE)


class _Failed(Exception):
    """litellm's exception for a request, and what the HTTP client saw of it."""

    def __init__(self, error: BaseException, sent: bool, status: int = 0, problem: Exception | None = None) -> None:
        super().__init__()
        self.error, self.sent, self.status, self.problem = error, sent, status, problem


class LiteLLM:
    """A model by litellm's name ("gpt-4o", "ollama/qwen2.5vl", "hosted_vllm/Qwen/Qwen2.5-VL-7B-Instruct", "gemini/...").

    litellm reads keys from the environment. No message of this class repeats a provider's text about a key.
    """

    def __init__(self, name: str, settings: VLMSettings) -> None:
        self.name, self.settings = name, settings
        self.concurrency = settings.concurrency
        self.litellm, self._http = _litellm()
        try:
            _, self.provider, *_ = self.litellm.get_llm_provider(name, api_base=settings.api_base)
        except Exception:
            raise SemttaError(
                f"litellm does not know the provider of '{excerpt(name, 60)}': write it as PROVIDER/MODEL, such as "
                "vlm:ollama/qwen2.5vl, or vlm:hosted_vllm/MODEL with --api-base."
            ) from None
        self.host = self._host()
        self.identity = f"{name} {settings.api_base or ''} {settings.temperature} {settings.max_tokens} {settings.detail}"
        self._schema = settings.json_schema
        self._as_handler = True  # whether the provider's code takes the HTTP client as an argument; else from the module

    def _host(self) -> str:
        base = self.settings.api_base
        if base is None and self.provider in _LOCAL_PROVIDERS:
            base = os.environ.get(_LOCAL_PROVIDERS[self.provider], "http://localhost")
        if base is None:
            return self.provider
        try:
            parts = urlsplit(base)
            sound = bool(_HOST.fullmatch(parts.hostname or "")) and parts.scheme in ("http", "https") and parts.port != 0
        except ValueError:
            sound = False
        if not sound:
            raise SemttaError(f"--api-base {excerpt(redact(base), 80)} is not an address: write it as http://localhost:8000/v1.")
        if parts.username or parts.password or parts.query:
            raise SemttaError("--api-base must not hold a key or password: keys are read from the environment only.")
        host = str(parts.hostname)
        return "" if host in _LOCAL or host.startswith("127.") else host

    def check(self) -> None:
        """Raises SemttaError if the provider's key is missing."""
        missing = self.litellm.validate_environment(self.name, api_base=self.settings.api_base).get("missing_keys") or []
        blank = [name for name in _key_names(self.provider) if not os.environ.get(name, "none").strip()]
        only_keys = bool(missing) and all(name.endswith("_API_KEY") for name in missing)  # others may be found elsewhere
        if blank or (only_keys and not _key_names(self.provider) and not self.litellm.api_key):
            raise self._no_key("needs a key", blank or missing)

    def ask(self, request: Request) -> Reply:
        """Send one request, without litellm's own retries; the whole answer must come within ``timeout_s``."""
        options: dict[str, Any] = {}
        if self._schema:
            options["response_format"] = _response_format(request)
        try:
            response = self._within(
                self.settings.timeout_s + _GRACE_S,
                model=self.name, messages=self._messages(request), api_base=self.settings.api_base,
                temperature=self.settings.temperature, max_tokens=self.settings.max_tokens, timeout=self.settings.timeout_s,
                num_retries=0, max_retries=0, drop_params=True, **options,
            )  # fmt: skip
        except _Failed as failed:
            if self._schema and self._refuses_schema(failed.error):
                self._schema = False
                return self.ask(request)
            raise self._fault(failed) from None  # a provider's message may quote the key
        return self._reply(response)

    def _within(self, seconds: float, **options: Any) -> Any:
        """litellm's answer, or ``_Failed``: in a thread of its own, which is left behind if it takes longer.

        The client's own limit cannot see a server that trickles headers, nor what the libraries do before and after.
        """
        answer: Future[Any] = Future()

        def work() -> None:
            try:
                answer.set_result(self._complete(options))
            except BaseException as error:
                mark = self._http.mark
                answer.set_exception(_Failed(error, mark.sent, mark.status, mark.problem))

        threading.Thread(target=work, name="semtta-request", daemon=True).start()
        if not wait([answer], seconds).done:
            raise _Failed(TimeoutError(), sent=True)
        return answer.result()

    def _complete(self, options: dict[str, Any]) -> Any:
        if self._as_handler:
            from litellm.llms.custom_httpx.http_handler import HTTPHandler

            try:
                return self.litellm.completion(client=HTTPHandler(client=self._http), **options)
            except Exception:
                if self._http.mark.sent:
                    raise
                self._as_handler = False  # this provider's code wants a client of another kind: it finds ours in the module
        return self.litellm.completion(**options)

    def _messages(self, request: Request) -> list[dict[str, Any]]:
        pictures = [
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{base64.b64encode(image).decode()}",
                                                "detail": self.settings.detail}}
            for image in request.images
        ]  # fmt: skip
        content = [*pictures, {"type": "text", "text": request.user}]
        return [{"role": "system", "content": request.system}, {"role": "user", "content": content}]

    def _reply(self, response: Any) -> Reply:
        usage = getattr(response, "usage", None)
        used = (_count(getattr(usage, "prompt_tokens", 0)), _count(getattr(usage, "completion_tokens", 0)))
        choices = getattr(response, "choices", None) or []
        if not choices:
            return Reply("", *used)
        message, reason = choices[0].message, choices[0].finish_reason
        refusal = getattr(message, "refusal", None) or (getattr(message, "provider_specific_fields", None) or {}).get("refusal")
        text = refusal or message.content or ""
        if not isinstance(text, str):
            raise Fault(NOT_UNDERSTOOD)
        return Reply(text, *used, refused=bool(refusal) or reason == "content_filter", cut_off=reason == "length")

    def _refuses_schema(self, error: BaseException) -> bool:
        kinds = (self.litellm.BadRequestError, self.litellm.UnprocessableEntityError)
        return isinstance(error, kinds) and bool(_SCHEMA_ERROR.search(str(error)))

    def _fault(self, failed: _Failed) -> Exception:
        """The fault, or error, that litellm's exception stands for."""
        llm, error, problem = self.litellm, failed.error, failed.problem
        said = str(error)[:20_000]
        if isinstance(problem, httpx.LocalProtocolError):  # an illegal header: the only one that is not ours is the key
            return self._no_key("cannot be asked: its key has characters that a key does not have")
        if isinstance(problem, Unacceptable):
            return TransientFault(str(problem)) if problem.transient else Fault(str(problem))
        if isinstance(problem, (httpx.ConnectError, httpx.ConnectTimeout)):
            return NoServer(f"no connection to {self._address()}")
        if isinstance(error, (llm.Timeout, TimeoutError)) or isinstance(problem, httpx.TimeoutException):
            return TransientFault(f"no answer in {self.settings.timeout_s:g} s", _retry_after(error))
        bad = isinstance(error, (llm.BadRequestError, llm.UnprocessableEntityError))
        denied = isinstance(error, llm.AuthenticationError) or failed.status in (401, 403)
        if denied or (bad and _KEY_ERROR.search(said)):
            return self._no_key("refused the request because there is no valid key")
        if isinstance(error, llm.NotFoundError):
            return SemttaError(f"The server has no model '{self.name}' ({_short(error)}): check its name, and --api-base.")
        if "insufficient_quota" in said or failed.status == 402:
            return SemttaError(f"'{self.name}' is not asked any more: the account has no credit left ({_short(error)}).")
        if isinstance(error, llm.ContentPolicyViolationError):
            return Refusal("the provider's filter refused the segment")
        if isinstance(error, llm.ContextWindowExceededError) or (bad and re.search(r"context.{0,20}length", said, re.IGNORECASE)):
            return TooLong("the request exceeds the model's context window")
        if isinstance(error, llm.RateLimitError):
            return TransientFault("too many requests (429)", _retry_after(error))
        if not failed.sent:
            return SemttaError(
                f"'{self.name}' cannot be asked ({_short(error)}): check the model's name, --api-base and the key."
            )
        if bad:
            return Refusal(f"the server refused the request: {_short(error)}")
        if problem is not None:
            return TransientFault("the connection was dropped", _retry_after(error))
        if failed.status < 400:
            return Fault(NOT_UNDERSTOOD)
        return TransientFault(f"server error {failed.status}", _retry_after(error))

    def _no_key(self, what: str, names: Sequence[str] = ()) -> SemttaError:
        """An error about the key that names the provider's variable."""
        missing = names or self.litellm.validate_environment(self.name).get("missing_keys") or []
        present = _key_names(self.provider)
        if present and not names:
            advice = f"check {' or '.join(present)} in the environment"
        else:
            missing = [name for name in missing if _SECRET.search(name)] or [f"{self.provider.upper()}_API_KEY"]
            advice = f"set {' or '.join(missing)} in the environment"
            if self.settings.api_base:
                advice += " (a server that asks for none takes any)"
        return SemttaError(f"'{excerpt(self.name, 60)}' {what}: {advice}.")

    def _address(self) -> str:
        return excerpt(redact(self.settings.api_base or self.host or self.provider), 80)

    def tokens(self, request: Request) -> tuple[int, int]:
        """litellm's count of the tokens, or a rough estimate if it fails."""
        try:
            count = self.litellm.token_counter(model=self.name, messages=self._messages(request))
        except Exception:
            count = (len(request.system) + len(request.user)) // 3 + 800 * len(request.images)
        return count, self.settings.max_tokens

    def prices(self) -> tuple[float, float] | None:
        """The prices in the settings, else litellm's; zero for an unknown model on the user's own machine."""
        if self.settings.prices is not None:
            return self.settings.prices[0] / 1e6, self.settings.prices[1] / 1e6
        try:
            info = self.litellm.get_model_info(self.name)
            return float(info["input_cost_per_token"] or 0), float(info["output_cost_per_token"] or 0)
        except Exception:
            return None if self.host else (0.0, 0.0)


def _key_names(provider: str) -> list[str]:
    """The variables in the environment that hold keys of a provider, by their names."""
    stem = provider.upper().split("_")[0].split("-")[0]
    return [
        name for name in os.environ if (name.startswith(stem) and _SECRET.search(name)) or name in _OTHER_KEYS.get(provider, ())
    ]


def _count(value: Any) -> int:
    """A number of tokens as a server states it; 0 if it states something else."""
    return int(value) if isinstance(value, (int, float)) and 0 <= value < 1e9 else 0


def redact(text: str) -> str:
    """The text without the values of secrets in the environment and without anything that looks like a key."""
    for variable, value in os.environ.items():
        if len(value) > 5 and _SECRET.search(variable):
            text = text.replace(value, "***")
    return re.sub(r"\b(sk|key|AIza)[-_A-Za-z0-9*]{6,}", "***", text)


def _short(error: BaseException) -> str:
    """What a provider says, on one line that may be shown."""
    text = redact(" ".join(str(getattr(error, "message", None) or error)[:20_000].split()))
    inner = re.search(r'"message": ?"([^"]+)"', text)
    return excerpt(inner[1] if inner else re.sub(r"^(litellm\.)?\w+(Error|Exception)?: ", "", text), 120)


def _retry_after(error: BaseException) -> float | None:
    """The wait that a Retry-After header asks for, in seconds; the header may hold a date."""
    response = getattr(error, "response", None)
    for headers in (getattr(error, "litellm_response_headers", None), getattr(response, "headers", None)):
        value = headers.get("retry-after") if isinstance(headers, Mapping) else None
        if value:
            return _seconds(value)
    return None


def _seconds(value: str) -> float | None:
    from datetime import datetime, timezone
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds())
    except (ValueError, TypeError):
        return None


def _response_format(request: Request) -> dict[str, Any]:
    schema = request.schema.model_json_schema()
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def _litellm() -> tuple[Any, LimitedClient]:
    """litellm, and the HTTP client that it is to use."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # otherwise the import fetches prices from the network
    try:
        import litellm
    except ImportError as error:
        raise missing_extra("A vision-language model", "vlm", error) from error
    litellm.telemetry = False
    litellm.suppress_debug_info = True  # otherwise it prints to stdout
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "httpx", "openai"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they log the addresses and bodies of requests
    if not isinstance(litellm.client_session, LimitedClient):
        litellm.client_session = LimitedClient()
    return litellm, litellm.client_session
