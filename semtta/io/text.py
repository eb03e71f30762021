"""Text from elsewhere (a server's answer, a file of labels) as one line that may be shown."""

from __future__ import annotations


def one_line(text: object, longest: int = 200) -> str:
    """The text on one line of at most ``longest`` characters, cut with "...".

    Whatever does not print (escape sequences, direction marks, halves of surrogate pairs) becomes a space, so that it neither
    steers a terminal nor fails to encode.
    """
    raw = str(text)[: 20 * longest]  # a word of a million letters costs no more than a sentence
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in raw).split())
    return line if len(line) <= longest else line[: longest - 3].rstrip() + "..."
