//! What the build needs beside Rust, and how to get it on Debian and its kin.
//!
//! As root the missing packages are installed; anyone else is told the command. Where there is no dpkg only the
//! programs are looked for, and a missing header is left for cmake to report.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::process::{self, say};

/// How long to wait for another package manager that is at work.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=300";

/// One thing the build needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Requirement {
    /// A program on PATH, from wherever it came; on Debian this package has it.
    Program { name: &'static str, package: &'static str },
    /// Headers, which only this package has.
    Headers { package: &'static str },
}

/// All that Bitcoin Core needs without its wallet: no sqlite, and its own event loop.
const REQUIREMENTS: [Requirement; 4] = [
    Requirement::Program { name: "c++", package: "g++" },
    Requirement::Program { name: "cmake", package: "cmake" },
    Requirement::Program { name: "ninja", package: "ninja-build" },
    Requirement::Headers { package: "libboost-dev" },
];

/// What to do about missing packages.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    /// Nothing is missing.
    Nothing,
    /// We may install them.
    Install(Vec<&'static str>),
    /// Someone else must; the text says how.
    Tell(String),
}

/// Makes sure that the tools of the build are there.
///
/// # Errors
/// If some are missing and we may not install them; the error names the command that would. If the installation fails.
pub(super) fn ensure_build_tools() -> Result<()> {
    let has_dpkg = process::find_on_path("dpkg-query").is_some();
    let missing = REQUIREMENTS
        .into_iter()
        .filter(|requirement| match requirement {
            Requirement::Program { name, .. } => process::find_on_path(name).is_none(),
            Requirement::Headers { package } => has_dpkg && !is_installed(package),
        })
        .collect::<Vec<_>>();
    match remedy(&missing, installer()) {
        Remedy::Nothing => Ok(()),
        Remedy::Install(packages) => install(&packages),
        Remedy::Tell(how) => bail!("{how}"),
    }
}

/// Whether packages can be installed, and by whom.
#[derive(Debug, Clone, Copy)]
enum Installer {
    /// apt-get, and we are root.
    AptAsRoot,
    /// apt-get, but only the superuser may use it.
    AptAsUser,
    /// No apt-get.
    Unknown,
}

fn remedy(missing: &[Requirement], installer: Installer) -> Remedy {
    if missing.is_empty() {
        return Remedy::Nothing;
    }
    let packages: Vec<_> = missing
        .iter()
        .map(|requirement| match requirement {
            Requirement::Program { package, .. } | Requirement::Headers { package } => *package,
        })
        .collect();
    let names = packages.join(" ");
    match installer {
        Installer::AptAsRoot => Remedy::Install(packages),
        Installer::AptAsUser => Remedy::Tell(format!(
            "building bitcoind needs packages that are not installed; run\n\n    \
             sudo apt-get install --no-install-recommends {names}\n\nor set BITCOIND_EXE to a bitcoind you have"
        )),
        Installer::Unknown => Remedy::Tell(format!(
            "building bitcoind needs what Debian calls {names}; install it, or set BITCOIND_EXE to a bitcoind you have"
        )),
    }
}

fn is_installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat=${Status}", package])
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.stdout == b"install ok installed")
}

fn installer() -> Installer {
    if process::find_on_path("apt-get").is_none() {
        return Installer::Unknown;
    }
    match process::capture(Command::new("id").arg("-u")) {
        Ok(id) if id.trim() == "0" => Installer::AptAsRoot,
        Ok(_) | Err(_) => Installer::AptAsUser,
    }
}

/// Tries with the lists of packages as they are, and once more after refreshing them.
fn install(packages: &[&str]) -> Result<()> {
    say(&format!("installing {}", packages.join(" ")));
    if apt_install(packages).is_ok() {
        return Ok(());
    }
    process::run(apt_get().arg("update"))?;
    apt_install(packages).context("could not install what building bitcoind needs")
}

fn apt_install(packages: &[&str]) -> Result<()> {
    process::run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-o", LOCK_TIMEOUT]).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const NINJA: Requirement = Requirement::Program { name: "ninja", package: "ninja-build" };
    const BOOST: Requirement = Requirement::Headers { package: "libboost-dev" };

    #[test]
    fn root_installs_what_is_missing() {
        assert_eq!(
            remedy(&[NINJA, BOOST], Installer::AptAsRoot),
            Remedy::Install(vec!["ninja-build", "libboost-dev"])
        );
        assert_eq!(remedy(&[], Installer::AptAsRoot), Remedy::Nothing);
    }

    #[test]
    fn others_are_told_the_command() {
        for (installer, part) in [
            (
                Installer::AptAsUser,
                "sudo apt-get install --no-install-recommends ninja-build libboost-dev",
            ),
            (Installer::Unknown, "what Debian calls ninja-build libboost-dev"),
        ] {
            let Remedy::Tell(how) = remedy(&[NINJA, BOOST], installer) else {
                panic!("without root nothing can be installed");
            };
            assert!(how.contains(part), "{how}");
        }
    }
}
