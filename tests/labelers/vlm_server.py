"""An OpenAI-compatible server on the loopback interface that looks at the pictures it is sent, and fails as real ones do.

It names the action by the pictures' colour (see ``vlm_clips.py``), so a wrong, missing or spoilt picture gives a wrong label.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

#: Action -> colour of the pictures.
COLORS = {"walking": (200, 40, 40), "running": (40, 200, 40), "jumping": (40, 40, 200), "waving": (200, 200, 40)}
FAULTS = (
    "429", "500", "503", "drop", "malformed", "empty", "truncated", "no choices", "no json", "words", "lines", "fence",
)  # fmt: skip
#: Answers that say all that is needed, though not as the schema wants it.
USABLE = {"words", "lines", "fence"}


class Server:
    """``with Server() as server``: ``server.base`` is the address. ``fault(number, digest)`` chooses what goes wrong."""

    def __init__(self, fault: Callable[[int, str], str | None] = lambda number, digest: None, delay_s: float = 0.0) -> None:
        self.fault, self.delay_s = fault, delay_s
        self.say: Callable[[dict[str, Any], str], str] = lambda body, action: action  # the label for an action that is seen
        #: What is sent in place of an answer to pictures of an action; False: the usual answer is.
        self.instead: Callable[[Any, str], object] = lambda handler, action: False
        self.refused: set[str] = set()  # actions that it will not look at
        self.numbers: Counter[str] = Counter()  # requests by the digest of their body
        self.answered: Counter[str] = Counter()  # those that got an answer that can be used
        self.faults: Counter[str] = Counter()
        self.keys: set[str] = set()  # Authorization headers
        self.bodies: list[dict[str, Any]] = []
        self.pictures: list[Image.Image] = []
        self.problems: list[str] = []
        self.most_at_a_time = self._now = 0
        self.lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> Server:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def requests(self) -> int:
        return sum(self.numbers.values())

    def arrive(self, raw: bytes, key: str) -> tuple[dict[str, Any], str, str | None]:
        """Note a request: its body, digest, and what goes wrong with it."""
        body, digest = json.loads(raw), hashlib.sha256(raw).hexdigest()
        with self.lock:
            number = self.requests
            self.numbers[digest] += 1
            self.bodies.append(body)
            self.keys.add(key)
            self._now += 1
            self.most_at_a_time = max(self.most_at_a_time, self._now)
            fault = self.fault(number, digest)
            self.faults[fault or "none"] += 1
        return body, digest, fault

    def leave(self) -> None:
        with self.lock:
            self._now -= 1

    def look(self, body: dict[str, Any]) -> str:
        """The action in the pictures, which must be whole JPEG files of one action."""
        seen = set()
        for part in body["messages"][-1]["content"]:
            if part["type"] != "image_url":
                continue
            head, _, data = part["image_url"]["url"].partition(",")
            picture = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
            picture.load()
            if head != "data:image/jpeg;base64" or picture.format != "JPEG":
                self.problems.append(f"not a JPEG: {head}")
            self.pictures.append(picture)
            color = np.median(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)
            seen.add(min(COLORS, key=lambda name: float(np.abs(color - COLORS[name]).sum())))
        if len(seen) != 1:
            self.problems.append(f"pictures of {sorted(seen)}")
        return seen.pop() if seen else "nothing"


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            body, digest, fault = server.arrive(raw, self.headers.get("Authorization", ""))
            try:
                time.sleep(server.delay_s)
                self.answer(body, digest, fault)
            except (BrokenPipeError, ConnectionResetError):
                pass
            finally:
                server.leave()

        def answer(self, body: dict[str, Any], digest: str, fault: str | None) -> None:
            action = server.look(body)
            if server.instead(self, action) is not False:
                return None
            if fault in ("429", "429 long"):
                return self.error(429, "slow down", {"Retry-After": "0.2" if fault == "429" else "3600"})
            if fault in ("500", "503"):
                return self.error(int(fault), "trouble")
            if fault == "401":
                return self.error(401, f"Incorrect API key provided: {self.headers.get('Authorization')}")
            if fault == "404":
                return self.error(404, "The model does not exist")
            if fault == "context":
                return self.error(400, "This model's maximum context length is 10 tokens", code="context_length_exceeded")
            if fault == "no schema" and "response_format" in body:
                return self.error(400, "response_format json_schema is not supported")
            if fault == "filter":
                return self.error(400, "The response was filtered", code="content_policy_violation")
            if fault == "drop":
                self.close_connection = True
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{")
                return None
            if fault == "timeout":
                time.sleep(20)
                self.close_connection = True
                return None
            if fault == "no json":
                return self.send(200, b"<html>gateway</html>")
            if action in server.refused:
                return self.reply(None, refusal="I will not describe this person.", digest=digest)
            label = server.say(body, action)
            answer = {"description": f"A person is {action} across a field of one colour.", "label": label}
            if "label" not in json.dumps(body.get("response_format", "label")):
                del answer["label"]
            text = {
                None: json.dumps(answer),
                "malformed": "The person moves about.",
                "truncated": json.dumps(answer)[:25],
                "empty": "",
                "refusal": "I'm sorry, but I can't help with that.",
                "words": f"Certainly! Here it is: {json.dumps(answer)} Anything else?",
                "fence": f"```json\n{json.dumps(answer, indent=1)}\n```",
                "lines": "\n".join(f"- {name.title()}: {value}" for name, value in answer.items()),
            }.get(fault, json.dumps(answer))
            usable = fault is None or fault in USABLE or fault == "no schema"
            return self.reply(text, digest=digest if usable else None, choices=fault != "no choices")

        def reply(self, text: Any, refusal: str | None = None, digest: str | None = None, choices: bool = True) -> None:
            message = {"role": "assistant", "content": text, "refusal": refusal}
            content = {
                "id": "x", "object": "chat.completion", "created": 0, "model": "tiny",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}] if choices else [],
                "usage": {"prompt_tokens": 1000, "completion_tokens": 20, "total_tokens": 1020},
            }  # fmt: skip
            self.send(200, json.dumps(content).encode())
            if digest:
                with server.lock:
                    server.answered[digest] += 1

        def error(self, status: int, message: str, headers: dict[str, str] | None = None, code: str | None = None) -> None:
            content = {"error": {"message": message, "type": "error", "code": code}}
            self.send(status, json.dumps(content).encode(), headers)

        def send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
