"""The resource types that this program declares, without the providers' generated Python classes.

Importing those takes seconds of processor time in every preview: `pulumi_gcp.compute._inputs` is 4.7 MB of source for
one nested type that is used here, `pulumi_kubernetes.core.v1._inputs` 2.5 MB. Inputs are plain dicts instead, under the
names that the providers' schemas, Google's API and Kubernetes' manifests have (`loadBalancerIP`, not
`load_balancer_ip`). tests/unit/test_sdk.py compares every declaration, at any depth, with what the generated class
knows and would have sent.
"""
