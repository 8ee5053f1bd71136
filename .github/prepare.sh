#!/usr/bin/env bash
# Makes a fresh runner able to build and check Strait: the toolchain that Cargo.toml promises with the components named,
# cargo's companions, and what bitcoind is built with. Workflows call it, and nobody else.
#
#   .github/prepare.sh [COMPONENT…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
rustup toolchain install "$version" --profile minimal "${@/#/--component=}"
rustup default "$version"

tools=$(mktemp -d)
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --no-deps --only-binary :all: --require-hashes --requirement deploy/tools/cargo-tools.txt
# Where every runner looks for them.
ln -sf "$tools"/bin/cargo-* ~/.cargo/bin/

sudo apt-get update -qq
sudo apt-get install -qq --no-install-recommends g++ cmake ninja-build libboost-dev
