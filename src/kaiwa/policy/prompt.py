"""What the chat model is told: a frozen system prompt and the talk so far.

A model's prompt cache pays for what begins as the last prompt did, so nothing here depends on the
newest words: the system prompt is made of the talk's settings alone, messages are only added at
the end, and when the talk outgrows the budget, a large block goes at once and the rest then stays
for several turns. What the blocks said in short stands behind the system prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType

from kaiwa.domain.chat import ChatMessage
from kaiwa.domain.events import Recorded
from kaiwa.domain.talk import Talk
from kaiwa.policy.opening import is_opening
from kaiwa.policy.summary import Block
from kaiwa.policy.transcript import Line, lines

PROMPT_TOKENS = 2_500  # with a reply of 1,024 it fits 4,096, the smallest context a backend gives
INSTRUCTIONS_SHARE = 0.5  # of the budget, at most; the talk itself needs the rest
HISTORY_SHARE = 0.25  # of the budget, at least, however long the instructions are
BLOCKS = 2  # half of the history goes at once, and the rest stays as it is for several turns
SUMMARIES = 3  # of the blocks cut last
SUMMARY_SHARE = 0.06  # of the budget, for each of them
MESSAGE_TOKENS = 6  # a chat template's marks around each message
_LATIN_PER_TOKEN = 3  # letters; safely fewer than the four of an English text
_ASCII = 128


@dataclass(frozen=True, slots=True)
class _Words:
    """The prompt's own words in one language."""

    role: str
    manner: str
    language: str
    people: str
    go_on: str
    """Said by nobody: there is nothing new to answer."""
    begin: str
    before: str
    """Heads the summaries."""


_JA = _Words(
    role="あなたは「{name}」という名前で、人と声で話しています。",
    manner="あなたの言葉はそのまま音声で読み上げられます。"
    "長い話を頼まれないかぎり、一文か二文で、自然な話し言葉で答えてください。"
    "見出し、箇条書き、番号、記号、絵文字、マークダウンは使わないでください。",
    language="日本語で答えてください。",
    people="発言の前に「名前: 」が付くときは、その人の発言です。"
    "あなたの答えには名前を付けないでください。",
    go_on="（続けてください。）",
    begin="（話を始めてください。）",
    before="これより前の話のメモ（古い順）:",
)
_EN = _Words(
    role='You are "{name}", talking with people by voice.',
    manner="Your words are spoken aloud: unless a long answer is asked for, "
    "answer in one or two sentences, as people speak. "
    "No headings, no lists, no numbering, no symbols, no emoji, no markdown.",
    language="Always answer in {language}.",
    people='A message that begins with "Name: " was said by that person. '
    "Do not put a name before your own answer.",
    go_on="(Please go on.)",
    begin="(Please begin.)",
    before="Notes of what was said before this, oldest first:",
)
_AUTO = "Always answer in the language of the last message. 日本語には日本語で答えてください。"
_LANGUAGES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "id": "Indonesian",
    "it": "Italian",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


def chat_prompt(
    talk: Talk,
    events: Sequence[Recorded],
    summaries: Mapping[str, str] = MappingProxyType({}),
    *,
    budget: int = PROMPT_TOKENS,
    asked: bool = True,
) -> list[ChatMessage]:
    """The messages for the talk's next reply, at most about `budget` tokens.

    `events` are the whole talk, in order; `summaries` those of its `blocks`, by digest. The last
    message is a user's: where nobody has said anything since the last reply, it asks the model to
    go on, unless a reply is not `asked` for yet.
    """
    laid = _lay_out(talk, events, budget, asked=asked)
    cut = laid.blocks[: laid.blocks_cut][-SUMMARIES:]
    notes = [summaries.get(block.digest) or block.leading() for block in cut]
    return [laid.told(notes, int(budget * SUMMARY_SHARE)), *laid.kept()]


def blocks(talk: Talk, events: Sequence[Recorded], *, budget: int = PROMPT_TOKENS) -> list[Block]:
    """The blocks whose summaries the next prompts want, in order: those that are cut, as far as
    they are told of, and the one that is cut next, once it is complete."""
    laid = _lay_out(talk, events, budget)
    return laid.blocks[max(0, laid.blocks_cut - SUMMARIES) : laid.blocks_cut + 1]


def estimate_tokens(text: str) -> int:
    """A safe guess without a tokenizer: one for a Japanese character, a third for a letter."""
    latin = sum(ord(char) < _ASCII for char in text)
    return len(text) - latin + -(-latin // _LATIN_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class _Layout:
    """A talk's lines as messages, and where its blocks begin: each with a user's."""

    words: _Words
    system: ChatMessage
    history: list[ChatMessage]
    room: int
    """Tokens for what is kept of the history."""
    borders: list[int]
    first: int
    """The first message that is kept."""
    named: bool

    @property
    def blocks(self) -> list[Block]:
        """Those that are complete."""
        return [
            Block(tuple(self.history[begin:end]), self.named)
            for begin, end in pairwise(self.borders)
        ]

    @property
    def blocks_cut(self) -> int:
        return sum(border <= self.first for border in self.borders[1:])

    def told(self, notes: Sequence[str], tokens: int) -> ChatMessage:
        """The system prompt, and behind it the notes, so many tokens of each."""
        said = [f"- {_clipped(note, tokens)}" for note in notes if note]
        parts = [self.system.content, self.words.before, *said] if said else [self.system.content]
        return replace(self.system, content="\n".join(parts))

    def kept(self) -> list[ChatMessage]:
        """The end of the history."""
        kept = _merged(self.history[self.first :])
        if sum(map(_tokens, kept)) > self.room:  # one message alone is too long
            kept[0] = replace(
                kept[0], content=_clipped(kept[0].content, self.room - MESSAGE_TOKENS)
            )
        return kept


def _lay_out(talk: Talk, events: Sequence[Recorded], budget: int, *, asked: bool = True) -> _Layout:
    """What is dropped is counted in whole blocks from the talk's beginning, so the first message
    kept stays the same until another block is full. The last user's message is always kept. A reply
    of which only the opening was heard is left out: the model would take it for an answer."""
    words = _JA if talk.language == "ja" else _EN
    said = [line for line in lines(events) if not (line.is_reply and is_opening(line.text))]
    named = len({line.participant for line in said if not line.is_reply}) > 1
    system = _system(talk, words, budget, several=named)
    history = [_message(line, named=named) for line in said]
    if not history or history[0].role == "assistant":
        history.insert(0, ChatMessage("user", words.begin))
    if asked and history[-1].role == "assistant":
        history.append(ChatMessage("user", words.go_on))
    told = int(budget * SUMMARY_SHARE) * SUMMARIES + _tokens(ChatMessage("system", words.before))
    room = max(budget - _tokens(system) - told, int(budget * HISTORY_SHARE))
    size = max(1, room // BLOCKS)
    full, before, borders, starts = 0, 0, [0], [0]
    for n, message in enumerate(history):
        if message.role == "user" and before // size > full:
            full = before // size
            borders.append(n)
            starts.append(before)
        before += _tokens(message)
    to_drop = -(-max(0, before - room) // size) * size
    last = max(n for n, message in enumerate(history) if message.role == "user")
    cuts = (border for border, start in zip(borders, starts, strict=True) if start >= to_drop)
    return _Layout(words, system, history, room, borders, next(cuts, last), named)


def _system(talk: Talk, words: _Words, budget: int, *, several: bool) -> ChatMessage:
    language = words.language.format(language=_LANGUAGES.get(talk.language, talk.language))
    parts = [
        words.role.format(name=talk.agent_name),
        words.manner,
        _AUTO if talk.language == "auto" else language,
        words.people if several else "",
        _clipped(talk.instructions.strip(), int(budget * INSTRUCTIONS_SHARE)),
    ]
    return ChatMessage("system", "\n".join(part for part in parts if part))


def _message(line: Line, *, named: bool) -> ChatMessage:
    if line.is_reply:
        return ChatMessage("assistant", line.text.strip())
    text = line.text.strip()
    if not named:
        return ChatMessage("user", text)
    return ChatMessage("user", f"{line.name}: {text}", (line.name,))


def _merged(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Chat templates want the roles to alternate."""
    merged: list[ChatMessage] = []
    for message in messages:
        if merged and merged[-1].role == message.role:
            before = merged[-1]
            merged[-1] = replace(
                before,
                content=f"{before.content}\n{message.content}",
                speakers=before.speakers + message.speakers,
            )
        else:
            merged.append(message)
    return merged


def _clipped(text: str, tokens: int) -> str:
    """The beginning of the text, as much as fits."""
    while estimate_tokens(text) > tokens:
        text = text[: max(0, len(text) * tokens // estimate_tokens(text) - 1)]
    return text


def _tokens(message: ChatMessage) -> int:
    return estimate_tokens(message.content) + MESSAGE_TOKENS
