#!/bin/bash
# An exception of a Pulumi dynamic provider in Python: its message until 3.259.0, its whole traceback from 3.260.0 on.
#
# A provider that refuses with a readable message (`raise Exception("the range is taken")`) showed just that in
# `pulumi up`, after "Exception calling application:". From 3.260.0 on the engine gets `traceback.format_exc()`: paths,
# lines and source of the provider, and its message last. Programs that parse the text of failures are affected as well.
#
# Output seen (Python 3.11, Linux):
#   3.259.0: Exception calling application: the range is taken
#   3.260.0: Traceback (most recent call last): ... Exception: the range is taken
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/refusing.py" << 'PYTHON'
from pulumi.dynamic import CreateResult, ResourceProvider


class Refusing(ResourceProvider):
    def create(self, props: dict) -> CreateResult:
        raise Exception("the range is taken")
PYTHON
cat > "$folder/ask.py" << 'PYTHON'
"""Start the provider as the engine does, ask for one creation, and print what the engine would get."""
import base64
import pickle
import subprocess
import sys

import grpc
from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from refusing import Refusing

server = subprocess.Popen([sys.executable, "-m", "pulumi.dynamic", "127.0.0.1:1"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
try:
    port = int(server.stdout.readline())
    stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
    properties = struct_pb2.Struct()
    properties.update({"__provider": base64.b64encode(pickle.dumps(Refusing())).decode()})
    try:
        stub.Create(provider_pb2.CreateRequest(urn="urn:pulumi:s::p::pulumi-python:dynamic:Resource::r",
                                               properties=properties), timeout=30)
    except grpc.RpcError as error:
        print(error.details())
finally:
    server.terminate()
PYTHON
told() {
  python3 -m venv "$folder/$1"
  "$folder/$1/bin/pip" install --quiet --disable-pip-version-check "pulumi==$1"
  (cd "$folder" && "$folder/$1/bin/python" ask.py)
}
before=$(told 3.259.0)
echo "3.259.0: $before"
[[ $before == "Exception calling application: the range is taken" ]]
after=$(told 3.260.0)
echo "3.260.0: ${after%%$'\n'*} ... ${after##*$'\n'}"
[[ $after == "Traceback (most recent call last):"* && ${after##*$'\n'} == "Exception: the range is taken" ]]
