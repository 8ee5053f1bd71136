//! The compiler for WebAssembly that this machine has, and a reproducible build with it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// The machine that contracts are built for.
const TARGET: &str = "wasm32-unknown-unknown";
/// Bytes of a contract's own stack: two pages of memory then hold all of a small one.
const STACK_BYTES: u32 = 65_536;
/// Debian's compiler for current sources, and the sources of its standard library.
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// A compiler that can build contracts.
pub(super) struct Toolchain {
    /// What the compiler calls itself.
    pub(super) name: String,
    kind: Kind,
}

enum Kind {
    /// The compiler on PATH has the target's standard library.
    Installed,
    /// Debian's compiler builds the standard library itself; the linker comes from elsewhere.
    Debian { linker: PathBuf },
}

impl Toolchain {
    /// Finds one; as root on a Debian machine it installs one.
    pub(super) fn find() -> Result<Self> {
        let libraries = said("rustc", &["--print", "target-libdir", "--target", TARGET]);
        if libraries.is_ok_and(|folder| Path::new(&folder).is_dir()) {
            return Ok(Self { name: said("rustc", &["--version"])?, kind: Kind::Installed });
        }
        if !debian_sources().is_dir() {
            install_debian_packages()?;
        }
        let linker =
            linker().context("no linker for WebAssembly: `apt install lld-19` brings one")?;
        let name = format!("{} with its own std", said("/usr/bin/rustc", &["--version"])?);
        Ok(Self { name, kind: Kind::Debian { linker } })
    }

    /// Builds one contract and gives its core module.
    pub(super) fn build(&self, root: &Path, contract: &str) -> Result<Vec<u8>> {
        let target_folder = target_folder(root);
        let mut cargo = match &self.kind {
            Kind::Installed => Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            Kind::Debian { linker } => {
                let mut cargo = Command::new("/usr/bin/cargo");
                cargo
                    .env("RUSTC", "/usr/bin/rustc")
                    // The packaged compiler is a release; building its own standard library needs this.
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                    .arg("-Zbuild-std=core,alloc,panic_abort");
                cargo
            }
        };
        let status = cargo
            .current_dir(root.join("contracts"))
            .args(["build", "--release", "--locked", "--target", TARGET, "--package", contract])
            .env("CARGO_TARGET_DIR", &target_folder)
            .env("CARGO_ENCODED_RUSTFLAGS", flags(root)?)
            .env_remove("RUSTC_WRAPPER")
            .env_remove("RUSTFLAGS")
            .status()
            .context("running cargo")?;
        ensure!(status.success(), "{contract} does not build");
        let file = target_folder.join(TARGET).join("release").join(format!("{contract}.wasm"));
        fs::read(&file).with_context(|| format!("reading {}", file.display()))
    }
}

/// Where contracts are built: beside the rest, but apart, since it is another machine's code.
pub(super) fn target_folder(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), PathBuf::from)
        .join("contracts")
}

/// Compiler flags, separated as cargo wants it: no path of this machine gets into the module.
fn flags(root: &Path) -> Result<OsString> {
    let home = match env::var_os("CARGO_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?)
            .join(".cargo"),
    };
    let mut flags = OsString::new();
    for (from, to) in
        [(root.to_owned(), "/strait"), (home, "/cargo"), (debian_sources(), "/rustc/library")]
    {
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push(format!("={to}\u{1f}"));
    }
    flags.push(format!("-Clink-arg=-zstack-size={STACK_BYTES}"));
    Ok(flags)
}

fn debian_sources() -> PathBuf {
    PathBuf::from("/usr/lib/rustlib/src/rust/library")
}

/// rustup's own linker, or Debian's.
fn linker() -> Option<PathBuf> {
    let rustup = said("rustc", &["--print", "sysroot"])
        .map(|root| Path::new(&root).join("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld"));
    let debian = ["/usr/bin/wasm-ld-22", "/usr/bin/wasm-ld-19"].map(PathBuf::from);
    rustup.into_iter().chain(debian).find(|path| path.is_file())
}

fn install_debian_packages() -> Result<()> {
    let packages = DEBIAN_PACKAGES.join(" ");
    let is_root = said("id", &["-u"]).is_ok_and(|id| id == "0");
    if !is_root || !Path::new("/usr/bin/apt-get").is_file() {
        bail!(
            "no compiler for {TARGET}: run `rustup target add {TARGET}`, or on Debian \
             `apt-get install --no-install-recommends {packages}`"
        );
    }
    super::say(&format!("installing {packages}"));
    for arguments in [&["update"] as &[&str], &["install", "--yes", "--no-install-recommends"]] {
        let is_install = arguments.len() > 1;
        let status = Command::new("/usr/bin/apt-get")
            .args(arguments)
            .args(DEBIAN_PACKAGES.iter().filter(|_| is_install))
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status()
            .context("running apt-get")?;
        ensure!(status.success(), "apt-get could not install {packages}");
    }
    Ok(())
}

/// What a command prints, trimmed; an error if it fails.
fn said(command: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(command)
        .args(arguments)
        .output()
        .with_context(|| format!("running {command}"))?;
    ensure!(output.status.success(), "{command} {} failed", arguments.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
