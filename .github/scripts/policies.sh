# The engine's arguments for the policy pack and the stack's policy configuration; source this with `stack` set.
policies=(--policy-pack policies)
# Production's rules apply to a stack without a file (docs/policies.md).
if [[ -f policies/config/$stack.json ]]; then
  policies+=(--policy-pack-config "policies/config/$stack.json")
fi
