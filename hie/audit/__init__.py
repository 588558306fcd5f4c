"""What happened, told so that it cannot be quietly untold: chain, seals, verification, accounting of disclosures."""
