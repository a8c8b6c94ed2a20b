"""What may be deployed: rules over the resources of a stack, checked by the engine before anything is carried out.

`rules/` are pure functions over plain data, `judge` runs them so that nothing hides anything else, `pack` and `adapter`
make policies of them for `pulumi_policy`. Nothing here knows a stack by name; `docs/policies.md` is for people.
"""
