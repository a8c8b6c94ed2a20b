"""A dynamic provider that does nothing: what every dynamic provider's process costs."""

from pulumi.dynamic import DiffResult, ResourceProvider


class EmptyProvider(ResourceProvider):
    """Finds no change."""

    def diff(self, _id: str, _olds: object, _news: object) -> DiffResult:
        """None."""
        return DiffResult(changes=False)
