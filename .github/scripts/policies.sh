# The policy pack and the stack's configuration of it, as the engine's arguments; to be sourced with `stack` set.
policies=(--policy-pack policies)
# A stack without a file is held to production's rules (docs/policies.md).
if [[ -f policies/config/$stack.json ]]; then
  policies+=(--policy-pack-config "policies/config/$stack.json")
fi
