"""Compact provenance (`hie.model.Source`) -> FHIR Provenance resources, one for each place of the input.

The store keeps `Source` rows; resources are rendered only where somebody reads them (print, export, FHIR delivery).
`Provenance.recorded` is required by R4: the message's own time, else data-absent-reason, so that output is repeatable.
"""

from __future__ import annotations

from hie.fhir.ids import resource_id
from hie.model import Record, Resource, Source

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def provenance(record: Record, raw_sha256: str) -> list[Resource]:
    """Provenance for every Source of `record`: targets = the resources made from one place, entity = that place."""
    return render(record.sources, raw_sha256, record.sender, record.control_id, record.authored, record.occurred)


def render(
    sources: tuple[Source, ...],
    raw_sha256: str,
    sender: str,
    control_id: str,
    authored: str | None,
    occurred: str | None = None,
) -> list[Resource]:
    places: dict[str, list[str]] = {}
    for reference, where in sources:
        places.setdefault(where, []).append(reference)
    when: Resource = (
        {"recorded": authored} if authored else {"_recorded": {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}}
    )
    if occurred:
        when["occurredDateTime"] = occurred
    made = []
    for where, references in places.items():
        what: Resource = {"identifier": {"system": "urn:hie:message-sha256", "value": raw_sha256}, "display": where}
        entity: list[Resource] = [{"role": "source", "what": what}]
        if control_id:
            entity.append(
                {"role": "source", "what": {"identifier": {"system": "urn:hie:control-id", "value": control_id}}}
            )
        made.append(
            {
                "resourceType": "Provenance",
                "id": resource_id(raw_sha256, "Provenance", where),
                "target": [{"reference": reference} for reference in dict.fromkeys(references)],
                **when,
                "agent": [{"who": {"display": sender or "unknown sender"}}],
                "entity": entity,
            }
        )
    return made
