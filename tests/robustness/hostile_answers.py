"""What a server may send in place of an answer. Each is a function of the server's handler."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

OK = '{"description": "a person runs on the spot", "label": "running"}'
ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m\ud800"
Sends = Callable[[Any], object]


def body(content: Any = OK, finish: Any = "stop", usage: Any = None, **message: Any) -> dict[str, Any]:
    """A completion as OpenAI's API gives it."""
    said = {"role": "assistant", "content": content, **message}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15} if usage is None else usage
    choices = [{"index": 0, "message": said, "finish_reason": finish}]
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "tiny", "choices": choices, "usage": usage}


def sends(content: Any, status: int = 200, **headers: str) -> Sends:
    """Send bytes, or a value as JSON."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda handler: handler.send(status, raw, {name.replace("_", "-"): value for name, value in headers.items()})


def says(content: Any, **more: Any) -> Sends:
    """Send a completion of this content."""
    return sends(body(content, **more))


def raw(*pieces: bytes, pause_s: float = 0.0) -> Sends:
    """Send bytes as they are, and hang up."""

    def send(handler: Any) -> None:
        handler.close_connection = True
        with suppress(OSError):
            for piece in pieces:
                handler.wfile.write(piece)
                handler.wfile.flush()
                time.sleep(pause_s)

    return send


def endless(piece: bytes, pieces: int, head: bytes = b"") -> Sends:
    """A long body in pieces that are not kept; what was sent is added to ``handler.server.sent``."""

    def send(handler: Any) -> None:
        handler.close_connection = True
        with suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + head + b"\r\n")
            for _ in range(pieces):
                handler.wfile.write(piece)
                handler.server.sent = getattr(handler.server, "sent", 0) + len(piece)

    return send


def bomb(megabytes: int) -> bytes:
    """A completion of so many megabytes, compressed."""
    packed, parts = zlib.compressobj(9, wbits=31), []
    head, tail = json.dumps(body("@")).encode().split(b"@")
    parts.append(packed.compress(head))
    parts += [packed.compress(b" " * (1 << 20)) for _ in range(megabytes)]
    return b"".join([*parts, packed.compress(tail), packed.flush()])


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
THOUGHT = f'The legs alternate: {{"description": "a person walks", "label": "walking"}}? No.</think>\n{OK}'
THINKS = {"type": "thinking", "thinking": [{"type": "text"}]}
CUT = "cut off at 200 tokens: raise vlm.max_tokens"
#: Name -> what is sent, the label that must come out, and words of the reason.
ANSWERS: dict[str, tuple[Sends, str | None, str]] = {
    # readable, though unusual
    "reasoning": (says("<think>" + THOUGHT), "running", ""),
    "reasoning that was opened by the prompt": (says(THOUGHT), "running", ""),
    "reasoning in capitals": (says("<THINK>" + THOUGHT.replace("think", "THINK")), "running", ""),
    "two objects, the last counts": (says('{"description": "d", "label": "walking"} or rather ' + OK), "running", ""),
    "an echo of the schema": (says('{"description": "what the person does", "label": "a label"}\nAnswer: ' + OK), "running", ""),
    "an object that follows without the keys": (says(OK + ' {"confidence": 0.9}'), "running", ""),
    "an object in an object": (says('{"answer": ' + OK + "}"), "running", ""),
    "a list of one": (says(f"[{OK}]"), "running", ""),
    "single quotes": (says(OK.replace('"', "'")), "running", ""),
    "a comma too many": (says("```json\n" + OK[:-1] + ",}\n```"), "running", ""),
    "the label in a list": (says(OK.replace('"running"', '["running"]')), "running", ""),
    "bold lines": (says('**Description:** a person runs\n**Label:** "running"'), "running", ""),
    "capitals and a full stop": (says('{"Description": "a person runs", "Label": " Running. "}'), "running", ""),
    "parts, one of them thinking": (says([THINKS, {"type": "text", "text": OK}]), "running", ""),
    "parts of text": (says([{"type": "text", "text": OK[:20]}, {"type": "text", "text": OK[20:]}]), "running", ""),
    "a number of 6000 digits in the answer": (says(OK[:-1] + ', "confidence": ' + "1" * 6000 + "}"), "running", ""),
    "brackets before the answer": (says("[" * 100_000 + OK), "running", ""),
    "no usage": (sends({**body(), "usage": None}), "running", ""),
    "usage of below nothing": (says(OK, usage={"prompt_tokens": -5, "completion_tokens": -5}), "running", ""),
    "gzip": (sends(gzip.compress(json.dumps(body()).encode()), Content_Encoding="gzip"), "running", ""),
    "deflate": (sends(zlib.compress(json.dumps(body()).encode()), Content_Encoding="deflate"), "running", ""),
    "an unknown reason to finish": (says(OK, finish="tired"), "running", ""),
    # no answer to the question
    "reasoning that does not end": (says("<think>" + OK), None, "not as asked for"),
    "reasoning only, cut off": (says(None, finish="length", reasoning_content="Both feet leave"), None, CUT),
    "half an answer, cut off": (says(OK[:30], finish="length"), None, CUT),
    "objects in objects": (says('{"a":' * 20_000), None, "not as asked for"),
    "braces": (says("{" * 100_000), None, "not as asked for"),
    "quotes": (says('{"' * 50_000), None, "not as asked for"),
    "empty lines": (says("\n" * 100_000 + "x"), None, "not as asked for"),
    "stars": (says("*" * 100_000), None, "not as asked for"),
    "numbers for texts": (says('{"description": 5, "label": 6}'), None, "not as asked for"),
    "escape sequences": (says(json.dumps({"description": f"d{ESCAPES}", "label": f"l{ESCAPES}"})), None, "is not among the"),
    "a word of 4000 letters": (says(json.dumps({"description": "w" * 4000, "label": "w" * 4000})), None, "is not among the"),
    "a word of a million letters": (says(OK[:-2] + "w" * 1_000_000 + '"}'), None, "not as asked for"),
    "a refusal of a million letters": (says(None, refusal="no" * 500_000 + ESCAPES), None, "refuses"),
    "an apology with escape sequences": (says(f"I'm sorry, but I can't{ESCAPES}"), None, "refuses"),
    "parts without text": (says([{"type": "thinking", "thinking": "hm"}, 5, None]), None, "empty"),
    # forms that are not understood
    "content that is a number": (says(5), None, ""),
    "content that is an object": (says({"text": OK}), None, ""),
    "content of lists": (says([[[]]]), None, ""),
    "choices of null": (sends({**body(), "choices": None}), None, ""),
    "choices that are an object": (sends({**body(), "choices": {"0": 1}}), None, ""),
    "choices of nulls": (sends({**body(), "choices": [None]}), None, ""),
    "choices of nothing": (sends({**body(), "choices": [{}]}), None, ""),
    "a message of null": (sends({**body(), "choices": [{"index": 0, "message": None, "finish_reason": "stop"}]}), None, ""),
    "a message of text": (sends({**body(), "choices": [{"index": 0, "message": OK, "finish_reason": "stop"}]}), None, ""),
    "an empty object": (sends({}), None, ""),
    "a list": (sends([body()]), None, ""),
    "a number": (sends(5), None, ""),
    "null": (sends(None), None, ""),
    "an error of status 200": (
        sends({"error": {"message": f"Provider{ESCAPES} error", "code": 502}}), None, "the server reports an error: Provider",
    ),
    "an error that is text": (sends({"error": "no GPU is free"}), None, "no GPU is free"),
    # no JSON
    "a page": (sends(b"<html>gateway</html>", Content_Type="text/html"), None, "the answer is not JSON"),
    "nothing": (sends(b""), None, "the answer is not JSON"),
    "half a JSON text": (sends(json.dumps(body()).encode()[:80]), None, "the answer is not JSON"),
    "bytes": (sends(b"\xff\xfe\x00{" * 20), None, "the answer is not JSON"),
    "a reply nested 100000 deep": (sends(b'{"choices":' + b"[" * 100_000), None, "the answer is nested too deeply"),
    "a reply of 6000 digits": (sends(b'{"choices":' + b"1" * 6000 + b"}"), None, "the answer is not JSON"),
    # too much, or too slow
    "300 MB": (endless(b" " * (1 << 20), 300), None, "longer than 4 MB"),
    "3 GB announced": (endless(b" " * (1 << 20), 300, b"Content-Length: 3000000000\r\n"), None, "longer than 4 MB"),
    "a bomb of 200 MB": (sends(bomb(200), Content_Encoding="gzip"), None, "longer than 4 MB"),
    "a damaged archive": (sends(bomb(1)[:40] + b"x" * 200, Content_Encoding="gzip"), None, "damaged"),
    "an archive that was not asked for": (sends(b"x" * 99, Content_Encoding="br"), None, "compressed as 'br'"),
    "an error of 5 MB": (sends(b"w" * 5_000_000, status=500), None, "server error 500"),
    "a refusal of 1 MB": (
        sends({"error": {"message": ESCAPES + "w" * 1_000_000}}, status=400), None, "the server refused the request",
    ),
    "a body that trickles": (raw(HEAD, *[b" "] * 40, pause_s=0.2), None, "no answer in 1 s"),
    "headers that trickle": (raw(b"HTTP/1.1 200 OK\r\nX: ", *[b"x"] * 25, pause_s=0.2), None, "no answer in 1 s"),
    "silence": (raw(b"", pause_s=1.5), None, "no answer in 1 s"),
    "headers without end": (raw(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 500_000), None, "the connection was dropped"),
    "another protocol": (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), None, "the connection was dropped"),
    "no reply": (raw(), None, "the connection was dropped"),
    "a body that ends early": (raw(HEAD, b"{"), None, "the connection was dropped"),
    # redirects and strange statuses
    "a redirect to another host": (sends({}, 307, Location="http://images.example/v1"), None, "to images.example"),
    "a redirect to another port": (sends({}, 308, Location="http://127.0.0.1:9/v1"), None, "where the images are not sent"),
    "a redirect to itself": (sends({}, 307, Location="/v1/chat/completions"), None, "redirects without end"),
    "a redirect to nowhere": (sends({}, 302), None, ""),
    "a redirect to no address": (sends({}, 307, Location="http://[::1/"), None, ""),
    "no content": (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), None, "not JSON"),
    "a teapot": (sends({"error": {"message": f"teapot{ESCAPES}"}}, 418), None, ""),
    "status 599": (sends({}, 599), None, "599"),
    "no permission to wait": (sends({"error": "busy"}, 429, Retry_After="nan"), None, "429"),
    "a wait without end": (sends({"error": "busy"}, 429, Retry_After="1e400"), None, "asks to wait"),
    "a date that is none": (sends({"error": "busy"}, 503, Retry_After="Thu, 99 Nonsense"), None, "503"),
}  # fmt: skip
