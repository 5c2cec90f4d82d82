"""Every error kaiwa raises on purpose.

KaiwaError                     code, HTTP status, retryable, whose fault
├── BadRequest                 the caller sent something that cannot be used (400)
│   └── WeakPassword           one that others would try first
├── BrokenAudio                the bytes are not the container they claim to be (422)
├── UnsupportedMedia           a container that is not on the list (415)
├── TooMuch                    a stated limit was passed (413)
├── TooManyStreams             this user has too many live uploads (429)
├── TooManyTries               wrong passwords, too fast (429); `wait_s` says how long to wait
├── StreamStalled              no bytes came for too long (408)
├── NotSignedIn                no valid token (401)
├── Forbidden                  signed in, but the role or the origin does not allow it (403)
├── NotFound                   no such thing, or not yours (404)
├── Conflict                   the state of things does not allow it (409)
│   ├── OffsetConflict         an upload claims samples the server has not got
│   └── TakenOver              a newer connection or capture replaced this one
├── Unavailable                a part kaiwa needs does not answer; try again (503)
│   ├── DatabaseDown
│   ├── RecogniserDown
│   ├── ModelDown              the chat model
│   ├── VoiceDown
│   │   └── VoiceChanged       another voice of the same language speaks instead
│   └── ShuttingDown
└── SetupError                 this machine or its settings must be changed by a person (500)
    ├── ModelMissing           weights that were never pulled
    ├── ModelUnavailable       weights that no source gives
    ├── DigestMismatch         weights that are not what their publisher published
    └── AlreadyRunning         another `kaiwa serve` holds this data folder

`str(error)` is one sentence for the person who can act on it; it never holds what people said.
"""

from __future__ import annotations

from typing import ClassVar


class KaiwaError(Exception):
    """Root of the tree; `code` goes over the wire, `status` is its HTTP status."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    @property
    def message(self) -> str:
        """The sentence for people."""
        return str(self) or self.code


class BadRequest(KaiwaError):
    code = "bad_request"
    status = 400


class WeakPassword(BadRequest):
    code = "weak_password"


class BrokenAudio(KaiwaError):
    code = "broken_audio"
    status = 422


class UnsupportedMedia(KaiwaError):
    code = "unsupported_media"
    status = 415


class TooMuch(KaiwaError):
    code = "too_much"
    status = 413


class TooManyStreams(KaiwaError):
    code = "too_many_streams"
    status = 429
    retryable = True


class TooManyTries(KaiwaError):
    code = "too_many_tries"
    status = 429
    retryable = True

    def __init__(self, message: str, wait_s: int) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class StreamStalled(KaiwaError):
    code = "stream_stalled"
    status = 408
    retryable = True


class NotSignedIn(KaiwaError):
    code = "not_signed_in"
    status = 401


class Forbidden(KaiwaError):
    code = "forbidden"
    status = 403


class NotFound(KaiwaError):
    code = "not_found"
    status = 404


class Conflict(KaiwaError):
    code = "conflict"
    status = 409


class OffsetConflict(Conflict):
    code = "offset_conflict"


class TakenOver(Conflict):
    code = "taken_over"


class Unavailable(KaiwaError):
    code = "unavailable"
    status = 503
    retryable = True


class DatabaseDown(Unavailable):
    code = "database_down"


class RecogniserDown(Unavailable):
    code = "recogniser_down"


class ModelDown(Unavailable):
    code = "model_down"


class VoiceDown(Unavailable):
    code = "voice_down"


class VoiceChanged(VoiceDown):
    code = "voice_changed"


class ShuttingDown(Unavailable):
    code = "shutting_down"


class SetupError(KaiwaError):
    code = "setup"


class ModelMissing(SetupError):
    code = "model_missing"


class ModelUnavailable(SetupError):
    code = "model_unavailable"
    retryable = True


class DigestMismatch(SetupError):
    code = "digest_mismatch"


class AlreadyRunning(SetupError):
    code = "already_running"
