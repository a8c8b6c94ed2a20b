#!/bin/bash
# uv with `compile-bytecode` as a project's setting: every `uv sync` goes through all files again, also when there was
# nothing to install. As an environment variable of the one command that makes the environment it costs that once.
#
# A Pulumi program with `toolchain: uv` feels it: the language host runs `uv sync --inexact` before every start of the
# program. With the 6,400 files of pulumi and pulumi-gcp each such sync took 0.8 s of processor time instead of 0.03,
# where `pip list`, which the host runs with `toolchain: pip`, takes 0.9. The bytecode is looked at, not written anew.
#
# Output seen (uv 0.13.9, Python 3.11, Linux):
#   made once with UV_COMPILE_BYTECODE=1: compiled
#   sync again, without the setting: no file is gone through
#   sync again, with the setting: goes through all files, writes none
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/uv"
"$folder/uv/bin/pip" install --quiet --disable-pip-version-check uv==0.13.9
mkdir "$folder/project"
cd "$folder/project"
unset VIRTUAL_ENV UV_COMPILE_BYTECODE
project='[project]\nname = "x"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["rich==15.0.0"]\n'
sync() { "$folder/uv/bin/uv" sync --inexact --no-managed-python 2>&1; }
written() { find .venv -name '*.pyc' -newer "$folder/mark" | wc -l; }

printf "$project" > pyproject.toml
made=$(UV_COMPILE_BYTECODE=1 sync)
grep -q '^Bytecode compiled [0-9]* files' <<< "$made"
echo "made once with UV_COMPILE_BYTECODE=1: compiled"

touch "$folder/mark"
again=$(sync)
if grep 'Bytecode' <<< "$again"; then exit 1; fi
echo "sync again, without the setting: no file is gone through"

printf "$project"'[tool.uv]\ncompile-bytecode = true\n' > pyproject.toml
again=$(sync)
[[ $(grep -o 'Bytecode compiled [0-9]* files' <<< "$again") == "$(grep -o 'Bytecode compiled [0-9]* files' <<< "$made")" ]]
[[ $(written) == 0 ]]
echo "sync again, with the setting: goes through all files, writes none"
