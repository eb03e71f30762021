"""Models that litellm reaches: OpenAI, Gemini, Claude, Ollama, vLLM, any OpenAI-compatible server."""

from __future__ import annotations

import base64
import logging
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..errors import SemttaError, missing_extra
from .models import Refusal, Reply, Request, TooLong, TransientFault
from .settings import VLMSettings

_LOCAL = {"", "localhost", "127.0.0.1", "::1", "0.0.0.0"}
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
#: Providers that run on the user's machine unless their address variable is set.
_LOCAL_PROVIDERS = {"ollama": "OLLAMA_API_BASE", "ollama_chat": "OLLAMA_API_BASE"}
_SCHEMA_ERROR = re.compile(r"response_format|json_schema|structured|guided|schema", re.IGNORECASE)


class LiteLLM:
    """A model by litellm's name ("gpt-4o", "ollama/qwen2.5vl", "hosted_vllm/Qwen/Qwen2.5-VL-7B-Instruct", "gemini/...").

    litellm reads keys from the environment. No message of this class repeats a provider's text about a key.
    """

    def __init__(self, name: str, settings: VLMSettings) -> None:
        self.name, self.settings = name, settings
        self.concurrency = settings.concurrency
        self.litellm = _litellm()
        try:
            _, self.provider, *_ = self.litellm.get_llm_provider(name, api_base=settings.api_base)
        except Exception:
            raise SemttaError(
                f"litellm does not know the provider of '{name}': write it as PROVIDER/MODEL, such as vlm:ollama/qwen2.5vl, "
                "or vlm:hosted_vllm/MODEL with --api-base."
            ) from None
        self.host = self._host()
        self.identity = f"{name} {settings.api_base or ''} {settings.temperature} {settings.max_tokens} {settings.detail}"
        self._schema = settings.json_schema

    def _host(self) -> str:
        base = self.settings.api_base
        if base is None and self.provider in _LOCAL_PROVIDERS:
            base = os.environ.get(_LOCAL_PROVIDERS[self.provider], "http://localhost")
        if base is None:
            return self.provider
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SemttaError(f"--api-base {redact(base)} is not an address: write it as http://localhost:8000/v1.")
        if parts.username or parts.password or parts.query:
            raise SemttaError("--api-base must not hold a key or password: keys are read from the environment only.")
        return "" if parts.hostname in _LOCAL or parts.hostname.startswith("127.") else parts.hostname

    def ask(self, request: Request) -> Reply:
        """Send one request, without litellm's own retries."""
        options: dict[str, Any] = {}
        if self._schema:
            options["response_format"] = _response_format(request)
        try:
            response = self.litellm.completion(
                model=self.name, messages=self._messages(request), api_base=self.settings.api_base,
                temperature=self.settings.temperature, max_tokens=self.settings.max_tokens, timeout=self.settings.timeout_s,
                num_retries=0, max_retries=0, drop_params=True, **options,
            )  # fmt: skip
        except Exception as error:
            if self._schema and self._refuses_schema(error):
                self._schema = False
                return self.ask(request)
            raise self._fault(error) from None  # a provider's message may quote the key
        return self._reply(response)

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
        used = (getattr(usage, "prompt_tokens", 0) or 0, getattr(usage, "completion_tokens", 0) or 0)
        choices = getattr(response, "choices", None) or []
        if not choices:
            return Reply("", *used)
        message = choices[0].message
        refusal = getattr(message, "refusal", None) or (getattr(message, "provider_specific_fields", None) or {}).get("refusal")
        filtered = choices[0].finish_reason == "content_filter"
        text = message.content if isinstance(message.content, str) else ""
        return Reply(refusal or text or "", *used, refused=bool(refusal) or filtered)

    def _refuses_schema(self, error: Exception) -> bool:
        kinds = (self.litellm.BadRequestError, self.litellm.UnprocessableEntityError)
        return isinstance(error, kinds) and bool(_SCHEMA_ERROR.search(str(error)))

    def _fault(self, error: Exception) -> Exception:
        """The fault, or error, that a litellm exception stands for."""
        llm, name = self.litellm, self.name
        if isinstance(error, (llm.AuthenticationError, llm.PermissionDeniedError)):
            missing = self.litellm.validate_environment(name).get("missing_keys") or []
            advice = f"set {' or '.join(missing)} in the environment" if missing else "check the key in the environment"
            return SemttaError(f"'{name}' refused the request because there is no valid key: {advice}.")
        if isinstance(error, llm.NotFoundError):
            return SemttaError(f"The server has no model '{name}' ({_short(error)}): check its name, and --api-base.")
        if isinstance(error, llm.ContentPolicyViolationError):
            return Refusal("the provider's filter refused the segment")
        if isinstance(error, llm.ContextWindowExceededError):
            return TooLong("the request exceeds the model's context window")
        if isinstance(error, llm.RateLimitError):
            return TransientFault("too many requests (429)", _retry_after(error))
        if isinstance(error, llm.Timeout):
            return TransientFault(f"no answer in {self.settings.timeout_s:g} s", _retry_after(error))
        if isinstance(error, (llm.BadRequestError, llm.UnprocessableEntityError)):
            if re.search(r"context.{0,20}length", str(error), re.IGNORECASE):
                return TooLong("the request exceeds the model's context window")
            return Refusal(f"the server refused the request: {_short(error)}")
        status = getattr(error, "status_code", None)
        if isinstance(error, llm.APIConnectionError):
            return TransientFault("the connection was dropped or refused", _retry_after(error))
        what = f"server error {status}" if isinstance(status, int) else _short(error)
        return TransientFault(what, _retry_after(error))

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


def redact(text: str) -> str:
    """The text without the values of secrets in the environment and without anything that looks like a key."""
    for variable, value in os.environ.items():
        if len(value) > 5 and _SECRET.search(variable):
            text = text.replace(value, "***")
    return re.sub(r"\b(sk|key|AIza)[-_A-Za-z0-9*]{6,}", "***", text)


def _short(error: Exception) -> str:
    text = redact(" ".join(str(getattr(error, "message", None) or error).split()))
    inner = re.search(r'"message": ?"([^"]+)"', text)
    text = inner[1] if inner else re.sub(r"^(litellm\.)?\w+(Error|Exception)?: ", "", text)
    return text[:160] + ("..." if len(text) > 160 else "")


def _retry_after(error: Exception) -> float | None:
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


def _litellm() -> Any:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # otherwise the import fetches prices from the network
    try:
        import litellm
    except ImportError as error:
        raise missing_extra("A vision-language model", "vlm", error) from error
    litellm.telemetry = False
    litellm.suppress_debug_info = True  # otherwise it prints to stdout
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "httpx", "openai"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they log the addresses and bodies of requests
    return litellm
