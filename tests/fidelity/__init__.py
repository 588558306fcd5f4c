"""How much of what a sender said arrives, measured from outside: `python -m tests.fidelity`.

Facts are read from the input by code of its own, which follows the standards and not the decoders, and each is looked for in the output of
`hie decode` at the elements that carry its meaning.
"""
