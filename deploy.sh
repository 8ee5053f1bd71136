#!/usr/bin/env bash
# Deploys a Strait node to Kubernetes: checks everything, makes a backup, upgrades, asks the new node whether it is well, and
# goes back to the old version if it is not. `deploy.sh --help` explains.
set -euo pipefail

readonly DONE=0 USAGE=2 CHECK=3 IMAGE=4 BACKUP=5 UPGRADE=6 SMOKE=7 STUCK=8
# How long a node that helm found ready may take to say so again, how long `helm test` may take, and what questions of a
# moment may add up to, in seconds.
readonly READY_SECONDS=45 TEST_SECONDS=90 QUESTIONS_SECONDS=30

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
chart=$root/k8s/chart

help() {
  cat <<'HELP'
Usage: deploy.sh ENVIRONMENT [OPTIONS]

ENVIRONMENT is regtest, signet or mainnet (also called production). k8s/chart/values-ENVIRONMENT.yaml is what it starts from.

  --dry-run          check all that can be checked, say what would be done, and change nothing
  --image NAME@sha256:DIGEST
                     deploy this image; otherwise one is built from this checkout and pushed to $STRAIT_REGISTRY
  --values FILE      your own values on top, such as bitcoind's address; may be repeated, the last one wins
  --context NAME     the context of kubectl; mainnet must name it, so that no other cluster is hit by accident
  --namespace NAME   default: strait-ENVIRONMENT
  --release NAME     default: strait; each release is a node with an identity of its own
  --timeout TIME     how long the new pod may take to be ready, such as 10m (the default)
  --within TIME      be done in that time, also if all goes wrong: an upgrade is not begun when less is left than helm, the
                     questions after it and the way back may take (some three times --timeout at the least)
  --without-backup   upgrade although no backup can be made, because the node is down; the log on its volume stays
  --help

What it does, in order:

  1. looks for its tools, the cluster, the Secrets that the values name, and a release that is left half-way
  2. lints and renders the chart, lets the node's own `config check` judge its settings, and the cluster every object
  3. builds and pushes the image, and pins it by digest
  4. makes a backup of the running node, and waits for it
  5. helm upgrade --install --atomic: what does not become ready is rolled back
  6. asks the node through its API whether it is ready, runs the version that was meant, and is still who it was;
     if not, goes back to the revision before

Running it again with nothing changed changes nothing: it asks the node how it is, and ends.

A first deployment of a test node:

  kubectl create namespace strait-regtest
  kubectl -n strait-regtest create secret generic strait-chain --from-file=cookie=FILE    # user:password of bitcoind
  STRAIT_REGISTRY=registry.example/pay ./deploy.sh regtest --dry-run
  STRAIT_REGISTRY=registry.example/pay ./deploy.sh regtest

Environment: STRAIT_REGISTRY, where images are pushed; STRAIT_BIN, a `strait` that judges the settings; CONTAINER_ENGINE,
docker unless set.

Exit codes:
  0  deployed, or nothing to do
  2  wrong usage
  3  a check failed; nothing was changed
  4  the image could not be built or pushed; nothing was changed
  5  no backup could be made; nothing was changed
  6  the upgrade failed and was rolled back; the node before it runs
  7  the new node did not do well and was rolled back, so that the node before it runs; or nothing was to be deployed, and
     the node that runs is not well
  8  rolling back failed as well: somebody must look now (docs/runbooks/upgrade.md)
HELP
}

say() { printf '%s\n' "deploy: $*" >&2; }

# Ends with the code $1 and says why.
fail() {
  local code=$1
  shift
  say "$*"
  exit "$code"
}

# The seconds of a time such as 90s, 10m or 1h.
seconds_of() {
  case $1 in
    *s) printf '%s' "${1%s}" ;;
    *m) printf '%s' "$((${1%m} * 60))" ;;
    *h) printf '%s' "$((${1%h} * 3600))" ;;
  esac
}

# The seconds from the upgrade on until nobody waits for anything, at the worst: helm fails, is cut off as it rolls back, and
# this script does; or the new node is not well and this script goes back.
aftermath() {
  local helm_s failed_s unwell_s
  helm_s=$(seconds_of "$timeout")
  failed_s=$((3 * helm_s + READY_SECONDS))
  unwell_s=$((2 * helm_s + 2 * READY_SECONDS + TEST_SECONDS))
  printf '%s' "$((QUESTIONS_SECONDS + (failed_s > unwell_s ? failed_s : unwell_s)))"
}

environment='' dry_run='' image='' context='' namespace='' release=strait timeout=10m within='' with_backup=yes
values=()

read_arguments() {
  while (($# > 0)); do
    case $1 in
      --help | -h)
        help
        exit "$DONE"
        ;;
      --dry-run) dry_run=yes ;;
      --without-backup) with_backup='' ;;
      --image | --values | --context | --namespace | --release | --timeout | --within)
        (($# > 1)) || fail "$USAGE" "$1 needs a value; see --help"
        case $1 in
          --image) image=$2 ;;
          --values) values+=("$2") ;;
          --context) context=$2 ;;
          --namespace) namespace=$2 ;;
          --release) release=$2 ;;
          --timeout) timeout=$2 ;;
          --within) within=$2 ;;
        esac
        shift
        ;;
      -*) fail "$USAGE" "there is no option $1; see --help" ;;
      *)
        [[ -z $environment ]] || fail "$USAGE" "one environment at a time: $environment or $1?"
        environment=$1
        ;;
    esac
    shift
  done
  case $environment in
    regtest | signet | mainnet) ;;
    production) environment=mainnet ;;
    '') fail "$USAGE" "which environment: regtest, signet or mainnet? see --help" ;;
    *) fail "$USAGE" "there is no environment $environment: regtest, signet and mainnet are" ;;
  esac
  [[ -z $image || $image =~ ^[^@]+@sha256:[0-9a-f]{64}$ ]] ||
    fail "$USAGE" "--image $image: NAME@sha256:DIGEST is right, so that what was tested is what runs"
  [[ $timeout =~ ^[1-9][0-9]*[smh]$ ]] || fail "$USAGE" "--timeout $timeout: a number and s, m or h is right"
  [[ -z $within || $within =~ ^[1-9][0-9]*[smh]$ ]] ||
    fail "$USAGE" "--within $within: a number and s, m or h is right"
  aftermath_s=$(aftermath)
  [[ -z $within ]] || (($(seconds_of "$within") > aftermath_s)) ||
    fail "$USAGE" "--within $within: an upgrade with --timeout $timeout may take $aftermath_s seconds alone"
  namespace=${namespace:-strait-$environment}
}

# kubectl and helm, always at the cluster and namespace that were named.
k() { kubectl ${context:+--context "$context"} --namespace "$namespace" "$@"; }
h() { helm ${context:+--kube-context "$context"} --namespace "$namespace" "$@"; }
node() { k exec "$pod" --container node -- "$@"; }

# What the node says about itself, through its API.
ask=(strait)
status() { node "${ask[@]}" --json status; }

# The values for this deployment, as arguments of helm.
settings=()
collect_settings() {
  settings=(--values "$chart/values-$environment.yaml")
  local file
  for file in "${values[@]}"; do
    [[ -r $file ]] || fail "$CHECK" "the values $file cannot be read"
    settings+=(--values "$file")
  done
  if [[ -n $image ]]; then
    settings+=(--set-string "image.repository=${image%@*}" --set-string "image.digest=${image#*@}")
  elif [[ -n ${STRAIT_REGISTRY:-} ]]; then
    settings+=(--set-string "image.repository=$STRAIT_REGISTRY/strait" --set-string "image.tag=$tag")
  fi
}

check_tools() {
  local tool missing=() tools=(helm kubectl)
  # Without a binary at hand, the image's own judges the settings.
  [[ -n $image && -n ${STRAIT_BIN:-} ]] || tools+=("${engine[0]}")
  for tool in "${tools[@]}"; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  ((${#missing[@]} == 0)) || fail "$CHECK" "not installed: ${missing[*]}"
  [[ -n $image || -n ${STRAIT_REGISTRY:-} ]] ||
    fail "$CHECK" "where to push the image? set STRAIT_REGISTRY, or name an image with --image"
}

check_source() {
  version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
  revision=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || printf 'unknown')
  tag=$version-$revision
  if [[ -z $image && -n $(git -C "$root" status --porcelain 2>/dev/null || printf 'no git') ]]; then
    [[ $environment != mainnet ]] || fail "$CHECK" "mainnet takes what is committed: this checkout has changes, or is none"
    tag=$tag-dirty
  fi
}

check_cluster() {
  [[ $environment != mainnet || -n $context ]] || fail "$CHECK" "mainnet needs --context: which cluster?"
  k get namespace "$namespace" >/dev/null ||
    fail "$CHECK" "no access to the namespace $namespace; kubectl create namespace $namespace makes it"
  k auth can-i create statefulsets.apps >/dev/null || fail "$CHECK" "you may not deploy to $namespace"
  before=$(h list --all --filter "^$release\$" --output json) ||
    fail "$CHECK" "helm cannot list what is deployed in $namespace"
  case $before in
    *'"status":"pending'* | *'"status":"uninstalling"'*)
      fail "$CHECK" "the release $release is left half-way: see \`helm -n $namespace history $release\`, then roll it back"
      ;;
    *'"status":'*) is_upgrade=yes ;;
    *) is_upgrade='' ;;
  esac
}

# Lints, renders, and lets the node and the cluster judge what comes out.
check_chart() {
  h lint --strict "$chart" "${settings[@]}" >&2 || fail "$CHECK" "the chart or its values are wrong"
  h template "$release" "$chart" "${settings[@]}" --no-hooks --dry-run=server ${is_upgrade:+--is-upgrade} \
    >"$work/manifest.yaml" || fail "$CHECK" "the cluster does not take what the chart makes"
  set_name=$(awk '/^kind: StatefulSet$/ {it = 1} it && /^  name: / {print $2; exit}' "$work/manifest.yaml")
  [[ -n $set_name ]] || fail "$CHECK" "the chart makes no StatefulSet"
  pod=$set_name-0
  local secret
  while read -r secret; do
    k get secret "$secret" >/dev/null || fail "$CHECK" "the Secret $secret, which the values name, is not in $namespace"
  done < <(awk '/^ *- secret:$/ {it = 1; next} it && / name: / {print $2; it = 0} / secretName: / {print $2}' \
    "$work/manifest.yaml")
  awk '/^  node.toml: / {it = 1; next} it && /^[^ ]/ {exit} it {sub(/^    /, ""); print}' \
    "$work/manifest.yaml" >"$work/node.toml"
  if grep -q '^tls_client_ca_file = ' "$work/node.toml"; then
    # It asks callers for a certificate: its own is one.
    ask=(strait --client-certificate /etc/strait-tls/tls.crt --client-key /etc/strait-tls/tls.key)
  fi
}

check_settings() {
  if [[ -n ${STRAIT_BIN:-} ]]; then
    local strait=$STRAIT_BIN
    # Settings of whoever deploys are not the node's.
    (unset "${!STRAIT_@}" && "$strait" config check --config "$work/node.toml") ||
      fail "$CHECK" "the node refuses its settings"
  elif [[ -n $image ]]; then
    "${engine[@]}" run --rm --interactive --network none --entrypoint /bin/sh "$image" -c \
      'cat >/tmp/node.toml && strait config check --config /tmp/node.toml' <"$work/node.toml" ||
      fail "$CHECK" "the node refuses its settings"
  else
    say "the settings will be judged by the image, once it is built"
  fi
}

build_image() {
  local name=$STRAIT_REGISTRY/strait
  say "building $name:$tag"
  "${engine[@]}" build --file "$root/deploy/docker/Dockerfile" --tag "$name:$tag" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" "$root" >&2 || fail "$IMAGE" "the image cannot be built"
  "${engine[@]}" push "$name:$tag" >&2 || fail "$IMAGE" "the image cannot be pushed to $STRAIT_REGISTRY"
  local digest
  digest=$("${engine[@]}" image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$name:$tag" |
    sed -n "s|^$name@||p" | head -n 1) || digest=''
  [[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || fail "$IMAGE" "the registry told no digest of $name:$tag"
  image=$name@$digest
}

# True if the cluster has what the chart makes already.
is_deployed() {
  [[ -n $is_upgrade && $before == *'"status":"deployed"'* ]] || return 1
  h get manifest "$release" | normal >"$work/deployed" || return 1
  normal <"$work/manifest.yaml" | cmp -s - "$work/deployed"
}

# Each object on a line, in an order of its own, without comments and empty lines, which helm adds as it likes.
normal() {
  awk '/^---$/ {if (object != "") print object; object = ""; next}
    /^ *#/ || /^ *$/ {next}
    {object = object $0 "\001"}
    END {if (object != "") print object}' | LC_ALL=C sort
}

# One field of what the node says about itself.
told() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }

# Whose node it is, before anything is changed; empty if it cannot say.
identity=''
remember() {
  [[ -n $is_upgrade ]] || return 0
  revision_before=$(h history "$release" --max 256 --output json | tr '{' '\n' |
    sed -n 's/.*"revision":\([0-9]*\).*"status":"deployed".*/\1/p' | tail -n 1) ||
    fail "$CHECK" "helm does not tell the history of $release"
  identity=$(status 2>/dev/null | told node_id) || identity=''
}

make_backup() {
  [[ -n $is_upgrade ]] || return 0
  if [[ -z $with_backup ]]; then
    say "WITHOUT a backup, as you said"
    return 0
  fi
  k get cronjob "$set_name-backup" >/dev/null 2>&1 ||
    fail "$BACKUP" "the release has no backup (backup.enabled); --without-backup goes on without"
  local job deadline
  job=$set_name-before-$(date -u +%Y%m%d%H%M%S)
  k create job "$job" --from="cronjob/$set_name-backup" >&2 || fail "$BACKUP" "the backup cannot be started"
  deadline=$((SECONDS + ${STRAIT_BACKUP_SECONDS:-900}))
  if [[ -n $within ]]; then
    local latest
    latest=$(($(seconds_of "$within") - aftermath_s))
    ((deadline <= latest)) || deadline=$latest
  fi
  until k wait --for=condition=complete "job/$job" --timeout=5s >/dev/null 2>&1; do
    if k wait --for=condition=failed "job/$job" --timeout=0s >/dev/null 2>&1 || ((SECONDS >= deadline)); then
      k logs "job/$job" --tail=20 >&2 || true
      fail "$BACKUP" "no backup, so no upgrade: kubectl -n $namespace describe job $job"
    fi
  done
  say "backup made: $job"
}

# An upgrade that is ended half-way leaves a release that somebody has to mend.
check_time() {
  [[ -z $within ]] || ((SECONDS + aftermath_s <= $(seconds_of "$within"))) ||
    fail "$CHECK" "$SECONDS seconds are gone, and the upgrade may take $aftermath_s: it would not surely end within $within"
}

upgrade() {
  h upgrade --install "$release" "$chart" "${settings[@]}" --atomic --wait --timeout "$timeout" --history-max 20 >&2 &&
    return 0
  say "the upgrade failed; helm has rolled it back"
  # Helm itself may have been cut off.
  if [[ -n $is_upgrade && $(h status "$release" --output json || true) != *'"status":"deployed"'* ]]; then
    go_back
  fi
  exit "$UPGRADE"
}

# To what ran before. What the node has written to its log meanwhile stays: a version that cannot read it refuses to start.
go_back() {
  if [[ -z $is_upgrade ]]; then
    say "there is no revision to go back to: removing the release; its volumes stay"
    h uninstall "$release" --wait --timeout "$timeout" >&2 || fail "$STUCK" "it cannot be removed: look now"
    return 0
  fi
  [[ -n $revision_before ]] || fail "$STUCK" "no revision was ever deployed: there is nothing to go back to; look now"
  say "going back to revision $revision_before"
  h rollback "$release" "$revision_before" --wait --timeout "$timeout" >&2 || fail "$STUCK" "rolling back failed: look now"
  node healthcheck.sh --wait "$READY_SECONDS" >&2 || fail "$STUCK" "the node before is not ready either: look now"
}

# Is the node ready, the version that was meant, on its chain, and still who it was?
smoke() {
  local told_all told_version told_identity meant
  node healthcheck.sh --wait "$READY_SECONDS" >&2 || { say "the node is not ready" && return 1; }
  told_all=$(status) || { say "the API does not answer" && return 1; }
  told_all=${told_all//$'\n'/ }
  told_all=${told_all//,/$'\n'}
  told_version=$(told version <<<"$told_all")
  told_identity=$(told node_id <<<"$told_all")
  meant=$(sed -n 's/^appVersion: "\(.*\)"$/\1/p' "$chart/Chart.yaml")
  [[ $told_version == "$meant" ]] || { say "version $told_version runs, not $meant" && return 1; }
  [[ $(told network <<<"$told_all") == "$environment" ]] || { say "the node is not on $environment" && return 1; }
  [[ -n $told_identity ]] || { say "the node does not say who it is" && return 1; }
  [[ -z $identity || $told_identity == "$identity" ]] ||
    { say "the node is $told_identity, and was $identity: another seed?" && return 1; }
  h test "$release" --timeout "${TEST_SECONDS}s" >&2 || { say "helm test failed" && return 1; }
  say "node $told_identity, version $told_version, is ready"
}

main() {
  read_arguments "$@"
  read -ra engine <<<"${CONTAINER_ENGINE:-docker}"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  check_tools
  check_source
  collect_settings
  check_cluster
  check_chart
  check_settings
  if [[ -n $dry_run ]]; then
    say "all checks passed; ${is_upgrade:+an upgrade}${is_upgrade:-a first installation} of $release in $namespace would follow"
    exit "$DONE"
  fi
  if [[ -z $image ]]; then
    build_image
    collect_settings
    check_chart
    check_settings
  fi
  remember
  if is_deployed; then
    smoke || fail "$SMOKE" "nothing to deploy, and the node that runs is not well"
    say "nothing to do"
    exit "$DONE"
  fi
  make_backup
  check_time
  upgrade
  if ! smoke; then
    go_back
    fail "$SMOKE" "rolled back"
  fi
}

main "$@"
