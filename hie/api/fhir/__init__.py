"""FHIR R4 over HTTP. Every read passes consent or needs a role of its own, and is accounted before a byte leaves."""

from __future__ import annotations

from starlette.routing import BaseRoute

from hie.access.roles import Capability
from hie.api.fhir import consent, metadata, progress, submit
from hie.web.guard import Guarded

C = Capability


def routes() -> list[BaseRoute]:
    """Below /fhir."""
    return [
        Guarded("/metadata", metadata.metadata, capability=C.STATUS_READ),
        Guarded("/Consent", consent.search, capability=C.CONSENT_READ, name="consent-search"),
        Guarded("/Consent", consent.create, capability=C.CONSENT_WRITE, methods=["POST"], name="consent-create"),
        Guarded("/Consent/_search", consent.search, capability=C.CONSENT_READ, methods=["POST"], name="consent-post"),
        Guarded("/Consent/{id}", consent.read, capability=C.CONSENT_READ, name="consent-read"),
        Guarded("/Consent/{id}", consent.update, capability=C.CONSENT_WRITE, methods=["PUT"], name="consent-update"),
        Guarded("/_async/{id}", progress.progress, capability=C.INTAKE_SUBMIT),
        Guarded("/", submit.root, capability=C.INTAKE_SUBMIT, methods=["POST"], name="submit-slash"),
        Guarded("/{type}", submit.create, capability=C.INTAKE_SUBMIT, methods=["POST"], name="submit-create"),
        Guarded("/{type}/{id}", submit.update, capability=C.INTAKE_SUBMIT, methods=["PUT"], name="submit-update"),
    ]
