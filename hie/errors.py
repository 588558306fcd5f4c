"""Every error the product raises on purpose.

    HieError
    ├── ConfigurationError     a setting is wrong: file, line and the nearest valid name
    ├── Rejected               input refused at the border: stable code, acknowledgement, what to do
    │   └── DecodeError        the bytes are stored, but no record can be made of them
    ├── StoreUnavailable       the database or the disk did not take a write; nothing was acknowledged
    │   └── Fenced             this engine was taken for dead: nothing it still does is written
    ├── AccessDenied           no credential, or one without the capability
    ├── NotFound               the thing asked for does not exist, or may not be shown to exist
    ├── Conflict               the request contradicts what is stored (a stale epoch, a second review)
    └── DeliveryError          a subscriber did not take a delivery
        ├── TemporaryFailure   retried with back-off
        ├── PermanentRefusal   dead-lettered at once
        └── OutcomeUnknown     bytes left, no answer came: retried with the same key

Each carries a stable `code`, what happened (`text`) and what to do (`hint`). None may carry patient data: texts
name places (`PID-3`), codes and configuration names, never values from a message.
"""

from __future__ import annotations


class HieError(Exception):
    """Base of all errors above. `str()` gives "code: text (hint)"."""

    code = "hie"

    def __init__(self, text: str, *, code: str | None = None, hint: str = "") -> None:
        super().__init__(text)
        self.code = code or type(self).code
        self.text = text
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.code}: {self.text}" + (f" ({self.hint})" if self.hint else "")


class ConfigurationError(HieError):
    """A setting is wrong. `file` and `line` (1-based, 0 = unknown) say where."""

    code = "configuration"

    def __init__(self, text: str, *, file: str = "", line: int = 0, code: str | None = None, hint: str = "") -> None:
        super().__init__(text, code=code, hint=hint)
        self.file = file
        self.line = line

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        return where + super().__str__()


class Rejected(HieError):
    """Input refused at the border.

    `ack` is the acknowledgement code of HL7 table 0008 (AE, AR); `err` the condition of table 0357 (100-207);
    `where` the place (`MSH-10`).
    """

    code = "rejected"

    def __init__(
        self, text: str, *, code: str | None = None, hint: str = "", ack: str = "AR", err: int = 207, where: str = ""
    ) -> None:
        super().__init__(text, code=code, hint=hint)
        self.ack = ack
        self.err = err
        self.where = where


class DecodeError(Rejected):
    code = "decode"


class StoreUnavailable(HieError):
    code = "store-unavailable"


class Fenced(StoreUnavailable):
    code = "fenced"


class AccessDenied(HieError):
    code = "access-denied"


class NotFound(HieError):
    code = "not-found"


class Conflict(HieError):
    code = "conflict"


class DeliveryError(HieError):
    code = "delivery"


class TemporaryFailure(DeliveryError):
    code = "temporary-failure"


class PermanentRefusal(DeliveryError):
    code = "permanent-refusal"


class OutcomeUnknown(DeliveryError):
    code = "outcome-unknown"
