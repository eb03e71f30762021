"""Other words for the labels of the included motions, so that a prior learns what they mean and not which they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..priors import MotionDictionary
from ..priors.text import SENTENCE_DIM, encode_labels

#: Label -> what else people call it. A label without an entry has only itself.
PARAPHRASES: dict[str, tuple[str, ...]] = {
    "bowing": ("taking a bow", "bending forward in greeting", "bowing politely"),
    "calling someone over": ("beckoning", "gesturing come here", "waving someone to come closer"),
    "dashing": ("sprinting", "running as fast as possible", "racing forward"),
    "directing traffic": ("signalling to cars", "being a traffic policeman", "giving traffic signals"),
    "giving basketball referee signals": ("refereeing a basketball game", "making referee signals", "signalling a foul"),
    "guiding someone with a hand gesture": ("showing the way", "ushering someone along", "inviting someone in with the arm"),
    "jumping": ("leaping", "hopping up", "jumping up and down", "doing a jump"),
    "playing basketball": ("dribbling a ball", "bouncing a basketball", "shooting a basketball"),
    "playing soccer": ("kicking a football", "dribbling a soccer ball", "playing football"),
    "punching": ("boxing", "throwing punches", "hitting with the fist", "fighting"),
    "raising a hand in response": ("raising a hand to answer", "putting a hand up", "lifting a hand in reply"),
    "raising both hands": ("lifting both arms", "putting both arms up", "holding up both hands"),
    "raising the left hand": ("lifting the left arm", "putting the left arm up", "holding up the left hand"),
    "raising the right hand": ("lifting the right arm", "putting the right arm up", "holding up the right hand"),
    "running": ("jogging", "running forward", "going for a run"),
    "slashing with a sword": ("swinging a sword", "sword fighting", "striking with a blade"),
    "walking": ("strolling", "walking forward", "going for a walk", "stepping forward", "taking steps"),
    "walking and turning left": ("walking in a curve to the left", "turning left while walking", "walking round to the left"),
    "walking and turning right": ("walking in a curve to the right", "turning right while walking", "walking round to the right"),
    "walking backwards": ("stepping backwards", "going backwards", "walking in reverse"),
    "walking to the left while looking ahead": ("sidestepping to the left", "moving sideways to the left"),
    "walking to the right while looking ahead": ("sidestepping to the right", "moving sideways to the right"),
    "washing a window": ("cleaning a window", "wiping a window", "wiping the glass"),
    "waving both hands": ("waving with both arms", "swinging both arms overhead", "waving two hands"),
    "waving goodbye": ("saying goodbye with a wave", "waving farewell"),
    "waving goodbye with both hands": ("saying goodbye with both arms", "waving farewell with two hands"),
    "waving the left hand": ("waving with the left arm", "swinging the left hand in greeting"),
    "waving the right hand": ("waving with the right arm", "swinging the right hand in greeting"),
    "standing": ("standing still", "waiting", "standing upright", "idling"),
    "standing on one leg": ("lifting one leg", "standing on one foot"),
    "balancing on one leg": ("keeping balance on one foot", "balancing", "doing a one-leg balance"),
    "sitting": ("being seated", "sitting on a chair", "sitting on a sofa", "sitting still"),
    "sitting on the floor": ("sitting on the ground", "sitting cross-legged"),
    "sitting down": ("taking a seat", "lowering onto a chair"),
    "standing up": ("getting up from a chair", "rising from a seat", "getting up"),
    "crouching": ("ducking", "squatting down low", "hunkering down"),
    "kneeling": ("being on the knees", "going down on one knee"),
    "lying down": ("lying on the floor", "resting on the back", "lying still"),
    "squatting": ("doing squats", "doing a squat exercise", "doing knee bends"),
    "lunging": ("doing lunges", "stepping into a lunge"),
    "doing push-ups": ("doing press-ups", "exercising with push-ups", "pushing up from the floor"),
    "doing sit-ups": ("doing crunches", "exercising the belly", "raising the upper body from lying"),
    "doing jumping jacks": ("doing star jumps", "jumping with arms and legs apart"),
    "touching the toes": ("bending down to the feet", "doing toe touches", "stretching towards the feet"),
    "bending to the side": ("doing side bends", "leaning sideways", "stretching to the side"),
    "marching in place": ("walking on the spot", "lifting the knees in turn", "marching"),
    "stepping up": ("stepping onto a box", "climbing a stair", "doing step-ups", "walking upstairs"),
    "reaching up": ("stretching the arms up", "taking something from a high shelf", "reaching for something above"),
    "picking something up from the floor": ("lifting an object from the ground", "bending down to grab something"),
    "drinking": ("drinking from a cup", "taking a sip", "holding a bottle to the mouth"),
    "talking on the phone": ("phoning", "making a phone call", "holding a phone to the ear"),
    "clapping": ("applauding", "clapping the hands", "cheering with claps"),
    "throwing": ("throwing a ball", "tossing something", "pitching"),
    "climbing": ("climbing a wall", "climbing a ladder", "pulling up a wall"),
    "kicking": ("doing a kick", "kicking with the leg", "practising kicks"),
    "stepping sideways": ("sidestepping", "moving sideways", "shuffling to the side"),
    "playing tennis": ("hitting a tennis ball", "swinging a racket", "serving in tennis"),
    "dancing": ("dancing to music", "moving to the rhythm", "doing a dance"),
}  # fmt: skip


def wordings_of(dictionary: MotionDictionary, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """``wordings`` of a dictionary's labels; only the labels themselves where its features are of another encoder."""
    features = dictionary.text_features
    if features.shape[1] == SENTENCE_DIM:
        features, table = wordings(dictionary.labels)
    else:
        table = torch.arange(len(features))[:, None]
    return features.to(device), table.to(device)


def wordings(labels: Sequence[str], encode: Callable[[Sequence[str]], Tensor] = encode_labels) -> tuple[Tensor, Tensor]:
    """Text features [W, D] of all wordings of the labels, and the table [N, P] of which of them each label has.

    A label's own words come first, and again where it has fewer wordings than others, so that a row may be drawn from evenly.
    """
    texts: list[str] = []
    rows: list[list[int]] = []
    for label in labels:
        own = (label, *PARAPHRASES.get(label, ()))
        rows.append(list(range(len(texts), len(texts) + len(own))))
        texts += own
    longest = max(map(len, rows))
    table = torch.tensor([(row + [row[0]] * longest)[:longest] for row in rows])
    return encode(texts), table
