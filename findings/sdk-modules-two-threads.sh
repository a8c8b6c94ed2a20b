#!/bin/bash
# Modules of Pulumi's Kubernetes SDK are loaded at the first access to a name, by importlib's LazyLoader. If several
# threads access one at once, some get an AttributeError with Python before 3.12.3 (cpython issue 114763). A program is
# declared in one thread; the Automation API with inline programs in threads, and tools that read the SDK's types in a
# server, are affected in their first seconds only.
#
# Output seen (pulumi-kubernetes 4.34.2, pulumi 3.260.0, Python 3.11, Linux):
#   one thread: the name is found
#   eight threads at once: some get an AttributeError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -c 'import sys; sys.exit(sys.version_info >= (3, 12, 3))' || { echo "this Python has the fix"; exit 1; }
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pulumi==3.260.0 pulumi-kubernetes==4.34.2 setuptools==80.9.0
cat > "$folder/ask.py" <<'PROGRAM'
import sys, threading
import pulumi_kubernetes
names = ["Service", "ConfigMap", "Secret", "Namespace", "Pod", "Node", "Endpoints", "Event"][: int(sys.argv[1])]
missing, together = [], threading.Barrier(len(names))
def ask(name):
    together.wait()
    try:
        getattr(pulumi_kubernetes.core.v1, name)
    except AttributeError:
        missing.append(name)
sys.setswitchinterval(1e-5)
threads = [threading.Thread(target=ask, args=(name,)) for name in names]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(len(missing))
PROGRAM
ask() { "$folder/venv/bin/python" "$folder/ask.py" "$1"; }
[[ $(ask 1) == 0 ]]
echo "one thread: the name is found"
for _ in 1 2 3 4 5; do
  if [[ $(ask 8) != 0 ]]; then
    echo "eight threads at once: some get an AttributeError"
    exit 0
  fi
done
exit 1
