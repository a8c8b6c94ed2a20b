"""The policy pack: rules over the resources of a stack, checked by the engine before anything is changed.

`rules/` are pure functions over plain data, `judge` runs them so that no finding hides another, `pack` and `adapter`
turn them into policies of `pulumi_policy`. No stack is known by name here; see also `docs/policies.md`.
"""
