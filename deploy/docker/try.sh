#!/usr/bin/env bash
# Tries an image: a devnet and a node run from it without a network, the node with a read-only root and no rights, and the
# node must answer that it is ready. Nothing is left behind.
#
#   deploy/docker/try.sh IMAGE
#
# CONTAINER_ENGINE names another engine than docker; its words are split, as in "podman --runtime runc".
set -euo pipefail

image=${1:?an image}
read -ra engine <<<"${CONTAINER_ENGINE:-docker}"
name=strait-try-$$
folder=$(mktemp -d)

# shellcheck disable=SC2317 # the trap calls it
clean() {
  local container
  # The node's first: it lives in the network of the chain's.
  for container in "$name-node" "$name-chain"; do
    "${engine[@]}" rm --force --volumes "$container" >/dev/null 2>&1 || true
  done
  rm -rf "$folder"
}
trap clean EXIT

printf 'strait:%s' "$(head -c 24 /dev/urandom | base64 | tr -d '/+=')" >"$folder/cookie"
cat >"$folder/node.toml" <<'SETTINGS'
rpc_url = "http://127.0.0.1:18443"
p2p_listen = ["/ip4/127.0.0.1/tcp/9736"]
data_dir = "/var/lib/strait/node"
[chain]
network = "regtest"
cookie_file = "/etc/strait/cookie"
SETTINGS
# The user in the image is nobody here. The folder is this script's own.
chmod 0755 "$folder"
chmod 0644 "$folder"/*

harmless=(--read-only --cap-drop ALL --security-opt no-new-privileges --tmpfs /tmp:size=16m --memory 512m
  --volume "$folder:/etc/strait:ro")
"${engine[@]}" run --detach --name "$name-chain" --network none "${harmless[@]}" \
  "$image" devnet --credentials-file /etc/strait/cookie
"${engine[@]}" run --detach --name "$name-node" --network "container:$name-chain" "${harmless[@]}" "$image"
if ! "${engine[@]}" exec "$name-node" healthcheck.sh --wait 120; then
  "${engine[@]}" logs "$name-node" >&2
  exit 1
fi
"${engine[@]}" exec "$name-node" strait status
[[ $("${engine[@]}" exec "$name-node" id -u) == 10001 ]]
"${engine[@]}" stop -t 60 "$name-node" >/dev/null
[[ $("${engine[@]}" inspect --format '{{.State.ExitCode}}' "$name-node") == 0 ]]
printf 'the image works, and the node stops when told\n'
