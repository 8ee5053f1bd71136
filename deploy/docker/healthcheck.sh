#!/usr/bin/env bash
# Asks a node whether it takes requests: 0 if it does, 1 with its answer if not. The image's HEALTHCHECK and `helm test`
# run it; it needs nothing but bash.
#
#   healthcheck.sh [--wait SECONDS] [HOST] [PORT]
set -euo pipefail

wait_s=0
if [[ ${1:-} == --wait ]]; then
  wait_s=$2
  shift 2
fi
host=${1:-127.0.0.1}
port=${2:-9738}

# Prints the answer; true if its status is 200.
ask() {
  local connection answer
  exec {connection}<>"/dev/tcp/$host/$port" || return 1
  printf 'GET /health/ready HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$host" >&"$connection"
  answer=$(timeout 5 cat <&"$connection") || true
  exec {connection}>&-
  printf '%s\n' "${answer//$'\r'/}"
  [[ $answer == 'HTTP/1.1 200 '* ]]
}

until answer=$(ask 2>&1); do
  if ((SECONDS >= wait_s)); then
    printf 'not ready: %s\n' "${answer:-no answer}" >&2
    exit 1
  fi
  sleep 2
done
printf 'ready\n'
