//! `cargo xtask contracts`: builds the contracts from source, and compares them with the modules that are checked in.
//!
//! A module is compiled by rustup's `wasm32-unknown-unknown` target where there is one, otherwise by Debian's
//! `rustc-web`, whose standard library is built on the way. Paths are remapped, dependencies are locked and custom
//! sections dropped, so the same toolchain gives the same bytes in any folder. Another toolchain gives other bytes:
//! beside each module lies the name of the toolchain that made it, and a check with another one compares what the
//! module exports and how it behaves instead.

mod component;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use bitcoin_hashes::{Hash as _, sha256};

use self::toolchain::Toolchain;

/// The packages of `contracts/` that are contracts.
const CONTRACTS: &[&str] = &["metered"];

/// What to do with what was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write the modules and the names of their toolchain.
    Write,
    /// Compare with what is checked in. Without a toolchain this is an error.
    Check,
    /// As `Check`, but a machine that cannot build for WebAssembly says so and passes.
    CheckIfBuildable,
}

/// What became of the modules.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// They are what their source gives, or were written anew.
    Done,
    /// This machine cannot build them, for this reason.
    NotCompared(String),
}

/// Builds every contract and writes or compares its module.
pub(crate) fn run(mode: Mode) -> Result<Outcome> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let toolchain = match (Toolchain::find(), mode) {
        (Ok(toolchain), _) => toolchain,
        (Err(why), Mode::CheckIfBuildable) => {
            return Ok(Outcome::NotCompared(format!("{why:#}")));
        }
        (Err(why), Mode::Write | Mode::Check) => return Err(why),
    };
    say(&format!("building with {}", toolchain.name));
    for contract in CONTRACTS {
        let core = toolchain.build(root, contract)?;
        let module = component::from_core(&core).with_context(|| format!("packing {contract}"))?;
        let files = Files::of(root, contract);
        match mode {
            Mode::Write => files.write(&module, &toolchain)?,
            Mode::Check | Mode::CheckIfBuildable => files.check(&module, &toolchain, root)?,
        }
    }
    Ok(Outcome::Done)
}

/// Where a contract's module and the name of its toolchain lie.
struct Files {
    contract: String,
    module: PathBuf,
    toolchain: PathBuf,
}

impl Files {
    fn of(root: &Path, contract: &str) -> Self {
        let folder = root.join("contracts").join(contract);
        Self {
            contract: contract.to_owned(),
            module: folder.join(format!("{contract}.wasm")),
            toolchain: folder.join(format!("{contract}.toolchain")),
        }
    }

    fn write(&self, module: &[u8], toolchain: &Toolchain) -> Result<()> {
        fs::write(&self.module, module)
            .with_context(|| format!("writing {}", self.module.display()))?;
        fs::write(&self.toolchain, format!("{}\n", toolchain.name))
            .with_context(|| format!("writing {}", self.toolchain.display()))?;
        say(&format!("wrote {}, {}", self.contract, described(module)));
        Ok(())
    }

    fn check(&self, built: &[u8], toolchain: &Toolchain, root: &Path) -> Result<()> {
        let kept =
            fs::read(&self.module).with_context(|| format!("reading {}", self.module.display()))?;
        let kept_by = fs::read_to_string(&self.toolchain)
            .with_context(|| format!("reading {}", self.toolchain.display()))?;
        let name = &self.contract;
        if kept == built {
            say(&format!("{name} is what its source gives, byte for byte"));
            return Ok(());
        }
        if kept_by.trim_end() == toolchain.name {
            bail!(
                "{name} is not what its source gives: checked in is {}, built is {}, different from byte {} on; \
                 `cargo xtask contracts` writes it anew",
                described(&kept),
                described(built),
                first_difference(&kept, built),
            );
        }
        say(&format!(
            "{name} was made by {}; comparing interface and behaviour",
            kept_by.trim_end()
        ));
        let (kept_world, built_world) = (component::world(&kept)?, component::world(built)?);
        ensure!(
            kept_world == built_world,
            "{name} exports another interface than its source:\n{kept_world}\nbuilt:\n{built_world}"
        );
        behaves(root, name, built)
    }
}

/// Runs the tests of the checked-in module on the module that was built.
fn behaves(root: &Path, contract: &str, module: &[u8]) -> Result<()> {
    let file = toolchain::target_folder(root).join(format!("{contract}.rebuilt.wasm"));
    fs::write(&file, module).with_context(|| format!("writing {}", file.display()))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["test", "--quiet", "--package", "strait-vm", "--test", "it", contract])
        .env(format!("STRAIT_{}_WASM", contract.to_uppercase()), &file)
        .status()
        .context("running cargo test")?;
    ensure!(
        status.success(),
        "{contract} as built behaves differently: see the failed tests above"
    );
    say(&format!("{contract} as built has the same interface and passes the same tests"));
    Ok(())
}

fn described(module: &[u8]) -> String {
    format!("{} bytes, sha256 {}", module.len(), sha256::Hash::hash(module))
}

fn first_difference(one: &[u8], other: &[u8]) -> usize {
    let shorter = one.len().min(other.len());
    one.iter().zip(other).position(|(a, b)| a != b).unwrap_or(shorter)
}

/// Tells whoever runs the chore.
#[expect(clippy::print_stderr, reason = "a chore talks to whoever runs it")]
fn say(line: &str) {
    eprintln!("contracts: {line}");
}
