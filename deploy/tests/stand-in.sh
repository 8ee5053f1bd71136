#!/usr/bin/env bash
# Stands in for helm, kubectl, docker, git and strait in deploy.bats: writes each call to $stage/calls, with the cluster and
# namespace behind it, fails where $stage/failing says so, takes three seconds for what is like $SLOW, and otherwise answers as the real one would.
set -euo pipefail

: "${stage:?set by the tests}"
tool=$(basename "$0")
context='' namespace=''
while [[ ${1:-} == --kube-context || ${1:-} == --context || ${1:-} == --namespace ]]; do
  if [[ $1 == --namespace ]]; then namespace=$2; else context=$2; fi
  shift 2
done
call="$tool $*"
where=''
if [[ -n $namespace ]]; then where=" [$context $namespace]"; fi
printf '%s%s\n' "$call" "$where" >>"$stage/calls"

# While the new version runs, what is set in $stage/after holds.
if [[ -e $stage/upgraded && -e $stage/after ]]; then
  # shellcheck disable=SC1091 # written by a test
  source "$stage/after"
fi

if [[ -e $stage/failing ]]; then
  while read -r pattern; do
    if [[ $pattern == after:* ]]; then
      [[ -e $stage/upgraded ]] || continue
      pattern=${pattern#after:}
    fi
    if [[ $call =~ $pattern ]]; then
      printf 'stand-in: %s fails\n' "$call" >&2
      exit 1
    fi
  done <"$stage/failing"
fi

if [[ -n ${SLOW:-} && $call =~ $SLOW ]]; then sleep 3; fi

case $call in
  'helm list'*) printf '%s\n' "${RELEASES:-[]}" ;;
  'helm history'*) printf '%s\n' "${HISTORY:-[]}" ;;
  'helm status'*) printf '%s\n' "${STATUS:-{\"info\":{\"status\":\"deployed\"\}\}}" ;;
  'helm template'*) cat "$stage/manifest.yaml" ;;
  'helm get manifest'*) if [[ -e $stage/deployed ]]; then cat "$stage/deployed"; fi ;;
  'helm upgrade'*) touch "$stage/upgraded" ;;
  'helm rollback'* | 'helm uninstall'*) rm -f "$stage/upgraded" ;;
  'kubectl wait --for=condition=failed'*) exit 1 ;;
  'kubectl exec'*'status'*)
    printf '{\n  "version": "%s",\n  "node_id": "%s",\n  "chain": {"network": "%s", "tip_height": 1}\n}\n' \
      "${VERSION:-0.1.0}" "${IDENTITY:-03ab}" "${NETWORK:-regtest}"
    ;;
  'docker image inspect'*) printf 'registry.example/pay/strait@sha256:%s\n' "$(printf '1%.0s' {1..64})" ;;
  'docker run'*) cat >/dev/null ;;
  'git'*'rev-parse'*) printf '0123456789ab\n' ;;
  'git'*'status'*) printf '%s' "${CHANGES:-}" ;;
esac
