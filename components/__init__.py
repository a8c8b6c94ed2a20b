"""The edge's building blocks, one ComponentResource per file. See each class's docstring for what it stands up."""

from components import lean_sdk

# Before any component imports its resources: these packages otherwise run every resource they have.
lean_sdk.load_on_demand(
    "pulumi_gcp.compute",
    "pulumi_gcp.container",
    "pulumi_gcp.storage",
    "pulumi_kubernetes.core.v1",
    "pulumi_kubernetes.apps.v1",
)
