//! Project chores.

mod contracts;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["contracts"] => contracts::run(contracts::Mode::Write),
        ["contracts", "--check"] => contracts::run(contracts::Mode::Check),
        ["contracts", "--check-if-buildable"] => contracts::run(contracts::Mode::CheckIfBuildable),
        _ => bail!("usage: cargo xtask contracts [--check | --check-if-buildable]"),
    }
}
