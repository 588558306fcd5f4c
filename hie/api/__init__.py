"""The HTTP side of a node: intake, FHIR, health, metrics; the console is mounted beside them."""
