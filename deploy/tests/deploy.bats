#!/usr/bin/env bats
# deploy.sh against stand-ins for helm, kubectl, docker and git that write down each call and fail where a test says so.
# What is tested is the order of things, and that nothing is left changed when something goes wrong.

setup() {
  bats_require_minimum_version 1.5.0
  stage=$BATS_TEST_TMPDIR
  export stage
  mkdir -p "$stage/bin"
  cp "$BATS_TEST_DIRNAME/stand-in.sh" "$stage/bin/stand-in"
  cp "$BATS_TEST_DIRNAME/manifest.yaml" "$stage"
  local tool
  for tool in helm kubectl docker git; do
    ln -s stand-in "$stage/bin/$tool"
  done
  PATH=$stage/bin:$PATH
  : >"$stage/calls"
  deploy=$BATS_TEST_DIRNAME/../../deploy.sh
  export STRAIT_REGISTRY=registry.example/pay STRAIT_BACKUP_SECONDS=0
  unset STRAIT_BIN CONTAINER_ENGINE
  image=registry.example/pay/strait@sha256:$(printf '0%.0s' {1..64})
}

# There is a release that runs.
deployed() {
  export RELEASES='[{"name":"strait","revision":"4","status":"deployed"}]'
  export HISTORY='[{"revision":3,"status":"superseded"},{"revision":4,"updated":"x","status":"deployed"}]'
}

# Calls of these patterns fail from now on; with `after:` only while the new version runs.
failing() { printf '%s\n' "$@" >"$stage/failing"; }

# The exit code is $1 and the calls hold each of the patterns that follow, in their order.
ends() {
  local code=$1 line=0 pattern found
  shift
  if [[ $status -ne $code ]]; then
    printf 'ended with %s, not %s:\n%s\n' "$status" "$code" "$output"
    cat "$stage/calls"
    return 1
  fi
  for pattern in "$@"; do
    found=$(sed "1,${line}d" "$stage/calls" | grep -nE -m 1 -- "$pattern" | cut -d : -f 1) || true
    if [[ -z $found ]]; then
      printf 'no call %s after line %s of\n' "$pattern" "$line"
      cat "$stage/calls"
      return 1
    fi
    line=$((line + found))
  done
}

# No call is of this pattern.
never() {
  if grep -E -- "$1" "$stage/calls"; then
    printf 'was called, and should not have been\n'
    return 1
  fi
}

# Nothing in the cluster or the registry was touched.
nothing_changed() {
  never '^(helm (upgrade|rollback|uninstall|test)|kubectl (create|delete|apply)|docker push)'
}

@test "help teaches, and names every exit code" {
  run "$deploy" --help
  [ "$status" -eq 0 ]
  local code
  for code in 0 2 3 4 5 6 7 8; do
    [[ $output == *$'\n'"  $code  "* ]]
  done
  [ ! -s "$stage/calls" ]
}

@test "what makes no sense is refused before anything is asked" {
  local arguments
  for arguments in "" "moon" "regtest signet" "regtest --loud" "regtest --image" "regtest --image strait:latest" \
    "regtest --timeout soon" "regtest --within soon" "regtest --timeout 5m --within 16m"; do
    # shellcheck disable=SC2086 # words are meant to be split
    run "$deploy" $arguments
    ends 2
  done
  [ ! -s "$stage/calls" ]
}

@test "a dry run checks everything and changes nothing" {
  deployed
  run "$deploy" signet --dry-run
  ends 0 'kubectl get namespace strait-signet' 'helm lint' 'helm template .*--dry-run=server' 'kubectl get secret strait-chain'
  nothing_changed
  never '^docker build'
}

@test "a first installation builds, pushes, installs by digest, and asks the node" {
  run "$deploy" regtest
  ends 0 'docker build' 'docker push registry.example/pay/strait:' 'docker run .*config check' \
    'helm upgrade --install strait .*image.digest=sha256:1{64}.*--atomic' 'healthcheck.sh' 'strait --json status' 'helm test'
  never '^kubectl create job'
}

@test "an upgrade makes a backup first, and waits for it" {
  deployed
  run "$deploy" regtest --image "$image"
  ends 0 'strait --json status' 'kubectl create job .*--from=cronjob/strait-backup' \
    'kubectl wait --for=condition=complete' 'helm upgrade' 'helm test'
  never '^docker (build|push)'
}

@test "with nothing changed it changes nothing, and still asks the node" {
  deployed
  cp "$stage/manifest.yaml" "$stage/deployed"
  run "$deploy" regtest --image "$image"
  ends 0 'helm get manifest' 'healthcheck.sh'
  never '^(helm upgrade|kubectl create)'
  [[ $output == *"nothing to do"* ]]
}

@test "each check that fails ends it with nothing changed" {
  local pattern
  deployed
  for pattern in 'kubectl get namespace' 'kubectl auth can-i' 'helm list' 'helm lint' 'helm template' \
    'kubectl get secret' 'docker run .*config check' 'helm history'; do
    failing "^$pattern"
    run "$deploy" regtest --image "$image"
    ends 3 "^$pattern"
    nothing_changed
    # It was this that ended it: no later check was made.
    [[ $(tail -n 1 "$stage/calls") =~ ^$pattern ]]
    : >"$stage/calls"
  done
}

@test "a binary at hand judges the settings without an engine" {
  rm "$stage/bin/docker"
  export STRAIT_BIN=$stage/bin/strait
  ln -s stand-in "$STRAIT_BIN"
  failing '^strait config check'
  run "$deploy" regtest --image "$image"
  ends 3 'strait config check --config'
  nothing_changed
}

@test "a release that is left half-way is not touched" {
  export RELEASES='[{"name":"strait","revision":"5","status":"pending-upgrade"}]'
  run "$deploy" regtest --image "$image"
  ends 3
  nothing_changed
}

@test "values that cannot be read, and a registry that nobody named, are refused" {
  run "$deploy" regtest --image "$image" --values "$stage/absent.yaml"
  ends 3
  unset STRAIT_REGISTRY
  run "$deploy" regtest
  ends 3
  nothing_changed
}

@test "mainnet needs a named cluster, and source that is committed" {
  run "$deploy" production --image "$image"
  ends 3
  export CHANGES=' M node/src/main.rs'
  run "$deploy" mainnet --context real
  ends 3
  nothing_changed
  : >"$stage/calls"
  unset CHANGES
  export NETWORK=mainnet
  run "$deploy" mainnet --context real
  ends 0 'helm upgrade .*--atomic'
  # Every single call names the cluster.
  [ "$(grep -cE '^(helm|kubectl) ' "$stage/calls")" -eq "$(grep -cE '^(helm|kubectl) .* \[real strait-mainnet\]$' "$stage/calls")" ]
}

@test "an image that is not built, not pushed, or has no digest ends it with nothing deployed" {
  local pattern
  for pattern in 'docker build' 'docker push' 'docker image inspect'; do
    failing "^$pattern"
    run "$deploy" regtest
    ends 4 "^$pattern"
    never '^helm upgrade'
  done
}

@test "without a backup there is no upgrade" {
  deployed
  failing '^kubectl get cronjob'
  run "$deploy" regtest --image "$image"
  ends 5
  failing '^kubectl create job'
  run "$deploy" regtest --image "$image"
  ends 5
  failing '^kubectl wait --for=condition=complete'
  run "$deploy" regtest --image "$image"
  ends 5 'kubectl logs job/strait-before-'
  never '^helm upgrade'
}

@test "unless that is what was asked for" {
  deployed
  failing '^kubectl get cronjob'
  run "$deploy" regtest --image "$image" --without-backup
  ends 0 'helm upgrade'
}

@test "an upgrade that might not end in time is not begun" {
  deployed
  # With --timeout 1s all that may follow takes 212 seconds, so that two are left for what comes before.
  local in_time=(--image "$image" --timeout 1s --within 214s)
  SLOW='^helm lint' run "$deploy" regtest "${in_time[@]}"
  ends 3 'kubectl create job'
  never '^helm upgrade'
  : >"$stage/calls"
  failing '^kubectl wait --for=condition=complete'
  STRAIT_BACKUP_SECONDS=600 run "$deploy" regtest "${in_time[@]}"
  ends 5 'kubectl logs job/strait-before-'
  never '^helm upgrade'
  : >"$stage/calls"
  rm "$stage/failing"
  run "$deploy" regtest --image "$image" --timeout 1s --within 10m
  ends 0 'helm upgrade .*--timeout 1s' 'healthcheck.sh --wait 45' 'helm test .*--timeout 90s'
}

@test "an upgrade that fails was rolled back by helm" {
  deployed
  failing '^helm upgrade'
  run "$deploy" regtest --image "$image"
  ends 6 'kubectl create job' 'helm upgrade .*--atomic' 'helm status'
  never '^helm (rollback|uninstall|test)'
}

@test "and by us, if helm was cut off" {
  deployed
  export STATUS='{"info":{"status":"pending-rollback"}}'
  failing '^helm upgrade'
  run "$deploy" regtest --image "$image"
  ends 6 'helm upgrade' 'helm rollback strait 4 --wait' 'healthcheck.sh'
}

@test "a new node that is not well is rolled back" {
  deployed
  local pattern
  for pattern in 'kubectl exec .*healthcheck.sh' 'kubectl exec .*strait --json status' 'helm test'; do
    : >"$stage/calls"
    failing "after:^$pattern"
    run "$deploy" regtest --image "$image"
    ends 7 'helm upgrade' 'helm rollback strait 4 --wait' 'healthcheck.sh'
  done
}

@test "so is one of another version, on another chain, or with another identity" {
  deployed
  local answer
  for answer in VERSION=9.9.9 NETWORK=mainnet IDENTITY=02ff; do
    : >"$stage/calls"
    printf '%s\n' "$answer" >"$stage/after"
    run "$deploy" regtest --image "$image"
    ends 7 'helm upgrade' 'helm rollback strait 4 --wait'
  done
}

@test "a first installation that is not well is removed, and its volumes are not" {
  failing 'after:healthcheck.sh'
  run "$deploy" regtest --image "$image"
  ends 7 'helm upgrade' 'helm uninstall strait'
  never 'kubectl delete'
}

@test "when going back fails too, it says so with a code of its own" {
  deployed
  failing 'after:healthcheck.sh' '^helm rollback'
  run "$deploy" regtest --image "$image"
  ends 8 'helm rollback'
  failing 'healthcheck.sh'
  run "$deploy" regtest --image "$image"
  ends 8 'helm rollback'
}
