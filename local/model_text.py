"""What the model stand-in says: sentences about the words of its prompt, always the same ones."""

import hashlib
import random
import re
from typing import Any

_SENTENCES = (
    "Most people meet {a} before they have a word for it, and that is where this begins.",
    "The shortest way to {b} is to look at what {a} already does well.",
    "Start small: choose one part of {a}, give it a week, and write down what changed.",
    "What makes {b} worth the effort is not speed but the calm that comes with it.",
    "A good first step costs nothing, needs no permission, and can be undone by the evening.",
    "Those who have lived with {a} for years say the same thing: keep it simple, then keep it.",
    "There is a quieter point here as well, because {b} rarely stays where you put it.",
    "Compare it with {c}, and the difference is easy to feel and hard to forget.",
    "None of this asks for new tools; it asks for ten honest minutes a day.",
    "If something goes wrong, {a} will tell you early, which is the best kind of news.",
    "Ask three people about {c} and you will hear four opinions, all of them useful.",
    "The numbers matter too, but they follow once {b} is clear to everybody in the room.",
    "Think of {a} as a promise: short enough to remember, exact enough to keep.",
    "By the end of the month the habit has a shape, and {c} looks after itself.",
    "So the advice is modest: begin with {a}, watch {b}, and leave the rest for later.",
    "Nobody regrets the hour in which they finally wrote {c} down.",
)
_ORDINARY = frozenset(
    re.findall(
        r"\w+",
        """
        about after also answer and are been before being but can could describe draft does each
        even ever every explain from give have here into it its just like made make many more most
        much must only other over please said same should some such tell than that the their them
        then there these they this those user very want was were what when where which while who
        will with would write you your
        """,
    )
)
_USUAL_SENTENCES = (9, 13)
_LONGEST_WORDS = 4000


def words(prompt: str) -> list[str]:
    """Each with the space before it. A prompt that asks for "300 words" gets that many."""
    seed = hashlib.sha256(prompt.encode()).digest()
    chance = random.Random(seed)  # noqa: S311 - prose, not secrets
    topics = _topics(prompt)
    asked = re.search(r"\b(\d{1,4}) words\b", prompt)
    wanted = min(int(asked[1]), _LONGEST_WORDS) if asked else None
    count = chance.randint(*_USUAL_SENTENCES)
    said: list[str] = []
    sentences = 0
    while len(said) < wanted if wanted is not None else sentences < count:
        if sentences % len(_SENTENCES) == 0:
            order = chance.sample(_SENTENCES, len(_SENTENCES))
        a, b, c = (topics[(sentences + place) % len(topics)] for place in range(3))
        said += order[sentences % len(_SENTENCES)].format(a=a, b=b, c=c).split()
        sentences += 1
    return [word if place == 0 else f" {word}" for place, word in enumerate(said[:wanted])]


def _topics(prompt: str) -> list[str]:
    """Runs of up to three neighbouring words that mean something, the last nine of them."""
    runs: list[list[str]] = [[]]
    for word in re.findall(r"[^\W\d_]+|[^\w\s]", prompt.lower()):
        if len(word) < 4 or word in _ORDINARY:
            runs.append([])
        elif len(runs[-1]) < 3:
            runs[-1].append(word)
    chosen = list(dict.fromkeys(" ".join(run) for run in runs if run))[-9:]
    return chosen or ["the question", "an answer", "the work"]


def read(system: Any, messages: Any) -> tuple[str, str, int]:
    """The system text, the last message's text, and the size of all input in tokens (words)."""
    instructions = _flat(system)
    if isinstance(messages, str):
        everything, last = messages, messages
    else:
        everything = " ".join(_flat(message["content"]) for message in messages)
        last = _flat(messages[-1]["content"]) if messages else ""
    return instructions, last, max(1, len(instructions.split()) + len(everything.split()))


def _flat(content: Any) -> str:
    """Both providers take a string or a list of blocks with a text in each."""
    if isinstance(content, list):
        return " ".join(str(block.get("text", "")) for block in content)
    return content or ""
