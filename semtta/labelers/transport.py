"""HTTP to a model's server, with limits: what it sends fills no memory, stalls no run, and takes no pictures elsewhere."""

from __future__ import annotations

import json
import threading
import time
import zlib
from contextlib import closing
from typing import Any

import httpx

from ..io.text import excerpt

#: Longest answer, in bytes, decompressed. A thousand times what a label takes; reasoning may be long.
LONGEST = 4 << 20
#: What is read of an error, of which only the first line is shown.
LONGEST_ERROR = 64 << 10
REDIRECTS = 5


class Unacceptable(httpx.TransportError):
    """An answer that is not read any further; the message says why. ``transient``: another may be better."""

    def __init__(self, message: str, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class Mark(threading.local):
    """Of the request that this thread sends."""

    sent = False  # whether anything was sent
    status = 0  # of the answer; 0: there is none
    problem: Exception | None = None  # why there is no answer; libraries between replace the exception by their own


class LimitedClient(httpx.Client):
    """An HTTP client whose answers are read whole, within ``LONGEST`` bytes and the request's read timeout in all.

    It follows redirects within one origin only. An answer of status 2xx must be JSON that Python can read. ``mark`` tells what
    happened to the thread's last request, whatever the libraries above make of it.
    """

    def __init__(self, **options: Any) -> None:
        # a connection is used once: what a server sends too much must not become the next answer
        super().__init__(limits=httpx.Limits(max_keepalive_connections=0), **options)
        self.mark = Mark()

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """As ``httpx.Client.send``, but never a stream. Raises ``Unacceptable`` and httpx's errors."""
        self.mark.sent, self.mark.status, self.mark.problem = True, 0, None
        try:
            return self._send(request, {**options, "stream": True, "follow_redirects": False})
        except httpx.HTTPError as problem:
            self.mark.problem = problem
            raise

    def _send(self, request: httpx.Request, options: dict[str, Any]) -> httpx.Response:
        started = time.monotonic()
        allowed = (request.extensions.get("timeout") or {}).get("read") or 600.0
        for _ in range(REDIRECTS):
            request.headers["Accept-Encoding"] = "gzip, deflate"  # what ``_read`` decompresses piece by piece
            with closing(super().send(request, **options)) as response:
                self.mark.status = response.status_code
                following = response.next_request
                if following is None:
                    content = _read(response, started + allowed)
                    break
                if _origin(following.url) != _origin(request.url):
                    target = excerpt(following.url.host, 60)
                    raise Unacceptable(f"the server redirects to {target}, where the images are not sent")
                request = following
        else:
            raise Unacceptable("the server redirects without end")
        if response.is_success and "event-stream" not in response.headers.get("content-type", ""):
            content = _checked(content)
        headers = {
            name: value
            for name, value in response.headers.items()
            if name not in ("content-encoding", "content-length", "transfer-encoding")
        }
        return httpx.Response(response.status_code, headers=headers, content=content, request=request)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _read(response: httpx.Response, deadline: float) -> bytes:
    """The decompressed body; of an error only its beginning."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, by its header
    longest = LONGEST if response.is_success else LONGEST_ERROR
    parts, raw, size = [], 0, 0
    try:
        for piece in response.iter_raw():
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout("the answer trickles")
            raw += len(piece)
            if encoding in ("gzip", "x-gzip", "deflate"):
                piece = unzip.decompress(piece, longest + 1 - size)
            elif encoding != "identity":
                raise Unacceptable(f"the answer is compressed as '{excerpt(encoding, 20)}', which was not asked for")
            size += len(piece)
            parts.append(piece)
            if max(size, raw) > longest:
                if not response.is_success:
                    break
                raise Unacceptable(f"the answer is longer than {LONGEST >> 20} MB")
    except zlib.error:
        raise Unacceptable("the answer is compressed, but damaged") from None
    return b"".join(parts)[:longest]


def _checked(content: bytes) -> bytes:
    """A JSON answer in the form that the libraries above read; raises Unacceptable for what is none, and for reported errors."""
    try:
        answer = json.loads(content)
    except RecursionError:
        raise Unacceptable("the answer is nested too deeply") from None
    except ValueError:  # also for numbers of thousands of digits
        raise Unacceptable("the answer is not JSON", transient=True) from None
    if not isinstance(answer, dict):
        return content
    reported = answer.get("error")
    if reported and "choices" not in answer:
        said = reported.get("message") if isinstance(reported, dict) else reported
        raise Unacceptable(f"the server reports an error: {excerpt(said, 100)}", transient=True)
    return json.dumps(answer).encode() if _join_parts(answer.get("choices")) else content


def _join_parts(choices: Any) -> bool:
    """Replace content that is a list of parts by the text of its parts of type text; whether there was any."""
    found = False
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, dict) else None
        if isinstance(message, dict) and isinstance(message.get("content"), list):
            parts = [part for part in message["content"] if isinstance(part, dict)]
            texts = [part.get("text") for part in parts if part.get("type") in ("text", "output_text")]
            message["content"] = "".join(text for text in texts if isinstance(text, str))
            found = True
    return found
