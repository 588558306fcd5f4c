"""How each feed, and each sender that shares one, is to be read: what the site says, under what the feed says, under what is
said of the sender. Put together once, when the configuration is read, with what the code tables hold at that moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hie import profile, referenced
from hie.codes import tables
from hie.codes.rows import Sheet
from hie.codes.tables import Tables
from hie.conformance import Profile
from hie.errors import ConfigurationError
from hie.model import FeedContext

if TYPE_CHECKING:
    from hie.sections import Feed
    from hie.settings import Settings


class Dialects:
    """`errors` and `warnings` are those of the code tables, each with file and line."""

    def __init__(
        self,
        contexts: Mapping[str, FeedContext],
        said: Mapping[str, tuple[tuple[str, str, Tables], ...]],
        errors: list[ConfigurationError],
        warnings: list[ConfigurationError],
    ) -> None:
        self._contexts = contexts
        self._tables = said
        self.errors = errors
        self.warnings = warnings

    def context(self, feed: str) -> FeedContext:
        """Of a configured feed. Raises KeyError for another."""
        return self._contexts[feed]

    def answered(self, kind: str, feed: str, sender: str, system: str, code: str) -> bool:
        """Whether the site says something of what `sender` ("APPLICATION|FACILITY") sends by `feed`: of a code by a code table,
        of a place by a rule for its field."""
        application, _, facility = sender.partition("|")
        if kind == "field":
            context = self._contexts.get(feed, FeedContext()).of(application, facility)
            field = code.partition(".")[0]
            rules = {**context.overrides.get("fields", {}), **context.overrides.get("moves", {})}
            return field in rules or field.partition("-")[0] in rules
        for wanted, where, said in self._tables.get(feed, ()):
            if fnmatchcase(application, wanted) and fnmatchcase(facility, where):
                return said.answered(system, code)
        return False


def dialects(settings: Settings) -> Dialects:
    sheets: dict[Path, Sheet] = {}
    for _, file in referenced.code_tables(settings):
        if file not in sheets:
            sheets[file] = tables.read(file)
    compiling = _Compiling(settings, sheets)
    contexts = {feed.name: compiling.feed(feed) for feed in settings.feeds}
    errors = [error for sheet in sheets.values() for error in sheet.errors]
    errors += compiling.errors.values()
    warnings = [warning for sheet in sheets.values() for warning in sheet.warnings]
    return Dialects(contexts, compiling.tables, errors, warnings)


class _Compiling:
    def __init__(self, settings: Settings, sheets: Mapping[Path, Sheet]) -> None:
        self.site = settings
        self.sheets = sheets
        self.tables: dict[str, tuple[tuple[str, str, Tables], ...]] = {}
        self.errors: dict[tuple[str, int, str], ConfigurationError] = {}
        self.made: dict[Any, Tables] = {}
        """Feeds that say nothing of their own share the tables of the site."""
        if not settings.feeds:
            self._compiled([settings.codes], settings.code_systems)

    def feed(self, feed: Feed) -> FeedContext:
        systems = {**self.site.code_systems, **feed.code_systems}
        authorities = {**self.site.authorities, **feed.authorities}
        found = self._compiled([self.site.codes, feed.codes], systems)
        required = _profile(feed)
        said = []
        senders = []
        for sender in feed.senders:
            theirs = {**systems, **sender.code_systems}
            also = {**authorities, **sender.authorities}
            own = found
            if sender.codes or sender.code_systems:
                own = self._compiled([self.site.codes, feed.codes, sender.codes], theirs)
            said.append((sender.application, sender.facility, own))
            context = FeedContext(
                feed=feed.name,
                timezone=sender.timezone or feed.timezone,
                charset=feed.charset,
                authorities={**theirs, **also},
                default_authority=sender.default_authority or feed.default_authority,
                code_maps=own.maps,
                overrides=dict(_laid_over(feed.overrides, sender.overrides)),
                required=required,
            )
            senders.append((sender.application, sender.facility, context))
        self.tables[feed.name] = (*said, ("*", "*", found))
        return FeedContext(
            feed=feed.name,
            timezone=feed.timezone,
            charset=feed.charset,
            authorities={**systems, **authorities},
            default_authority=feed.default_authority,
            code_maps=found.maps,
            overrides=feed.overrides,
            required=required,
            senders=tuple(senders),
        )

    def _compiled(self, levels: list[tuple[Path, ...]], names: Mapping[str, str]) -> Tables:
        if not any(levels):
            return tables.NOTHING
        same = (tuple(filter(None, levels)), tuple(sorted(names.items())))
        if same in self.made:
            return self.made[same]
        rows = [[row for file in files for row in self._sheet(file).rows] for files in levels]
        found, errors = tables.compiled(rows, names)
        for error in errors:
            self.errors.setdefault((error.file, error.line, error.text), error)
        self.made[same] = found
        return found

    def _sheet(self, file: Path) -> Sheet:
        return self.sheets[self.site.directory / file]


def _profile(feed: Feed) -> Profile | None:
    """What a message of the feed has to conform to; None where nothing is refused."""
    if feed.conformance != "strict" or feed.profile is None:
        return None
    try:
        return profile.load(feed.profile)
    except ConfigurationError:  # said by whoever checks the configuration, which is not used then
        return None


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Key by key, and inside a key that is a mapping on both sides once more."""
    for key in {**below, **above}:
        low, high = below.get(key), above.get(key)
        yield key, {**low, **high} if isinstance(low, dict) and isinstance(high, dict) else high or low
