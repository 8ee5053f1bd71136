//! The house plan, enforced: a crate imports only crates of a strictly lower level.
//!
//! Levels stand in each manifest under `[package.metadata.strait]`; `ARCHITECTURE.md` explains them. Normal and build
//! dependencies count, dev-dependencies do not: a test may look down on what it tests from anywhere.
//! Three rules about manifests that cargo knows nothing of are checked beside: the workspace forbids `unsafe`, which no
//! crate can lift; every crate inherits the workspace's lints; and `anyhow` stays out of libraries.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::process::say;
use crate::workspace::{Package, Workspace};

/// From this level on crates are programs and chores, which may erase the types of their errors.
const PROGRAMS_LEVEL_MIN: u16 = 50;

/// Checks the arrows and the manifests of all members.
///
/// # Errors
/// If a rule is broken; each breach has been printed.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut breaches = find_breaches(&workspace.packages);
    let root = fs::read_to_string(workspace.root.join("Cargo.toml"))
        .context("could not read the workspace's manifest")?;
    breaches.extend(unsafe_breach(&root)?);
    for package in &workspace.packages {
        let manifest = fs::read_to_string(&package.manifest_path)
            .with_context(|| format!("could not read {}", package.manifest_path.display()))?;
        breaches.extend(lints_breach(&package.name, &manifest)?);
    }
    for breach in &breaches {
        say(breach);
    }
    if breaches.is_empty() {
        return Ok(());
    }
    bail!("{} breach(es) of the house plan", breaches.len())
}

fn find_breaches(packages: &[Package]) -> Vec<String> {
    let levels: BTreeMap<&str, Option<u16>> =
        packages.iter().map(|package| (package.name.as_str(), package.level())).collect();
    let mut breaches = Vec::new();
    for package in packages {
        let Some(level) = package.level() else {
            breaches.push(format!(
                "{}: no level; write [package.metadata.strait] level = N in its manifest",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            if dependency.kind.as_deref() == Some("dev") {
                continue;
            }
            if dependency.name == "anyhow" && level < PROGRAMS_LEVEL_MIN {
                breaches.push(format!(
                    "{} (level {level}): anyhow is for programs (level {PROGRAMS_LEVEL_MIN} and up); \
                     a library names its errors with thiserror",
                    package.name
                ));
            }
            let Some(&Some(below)) = levels.get(dependency.name.as_str()) else {
                continue;
            };
            if below >= level {
                breaches.push(format!(
                    "{} (level {level}) -> {} (level {below}): an arrow must point to a lower level",
                    package.name, dependency.name
                ));
            }
        }
    }
    breaches
}

/// What is forbidden cannot be allowed again further down; what is merely denied can.
fn unsafe_breach(root: &str) -> Result<Option<String>> {
    let root: toml::Table = root.parse().context("the workspace's manifest is not TOML")?;
    let lints = root.get("workspace").and_then(|workspace| workspace.get("lints"));
    let level = lints.and_then(|lints| lints.get("rust")?.get("unsafe_code")?.as_str());
    let is_forbidden = level == Some("forbid");
    Ok((!is_forbidden).then(|| "the workspace's lints lack unsafe_code = \"forbid\"".to_owned()))
}

fn lints_breach(name: &str, manifest: &str) -> Result<Option<String>> {
    let manifest: toml::Table =
        manifest.parse().with_context(|| format!("the manifest of {name} is not TOML"))?;
    let inherits = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"))
        .and_then(toml::Value::as_bool)
        .unwrap_or_default();
    Ok((!inherits).then(|| format!("{name}: the manifest lacks [lints] workspace = true")))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::workspace::{Dependency, Metadata, Placement};

    fn package(name: &str, level: Option<u16>, dependencies: &[(&str, Option<&str>)]) -> Package {
        Package {
            name: name.into(),
            manifest_path: PathBuf::new(),
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency {
                    name: (*name).into(),
                    kind: kind.map(Into::into),
                    path: None,
                })
                .collect(),
            metadata: Some(Metadata { strait: level.map(|level| Placement { level }) }),
        }
    }

    /// `low` (level 10) stands beside a crate of the given level with the given dependencies.
    fn check(level: Option<u16>, dependencies: &[(&str, Option<&str>)], expect: &[&str]) {
        let packages = [package("low", Some(10), &[]), package("crate", level, dependencies)];
        let breaches = find_breaches(&packages);
        assert_eq!(breaches.len(), expect.len(), "{breaches:?}");
        for (breach, part) in breaches.iter().zip(expect) {
            assert!(breach.contains(part), "{breach} should contain {part}");
        }
    }

    #[test]
    fn an_arrow_points_down_or_is_reported_with_both_levels() {
        check(Some(11), &[("low", None)], &[]);
        check(Some(10), &[("low", None)], &["crate (level 10) -> low (level 10)"]);
        check(Some(9), &[("low", None)], &["crate (level 9) -> low (level 10)"]);
        check(Some(9), &[("low", Some("build"))], &["crate (level 9) -> low (level 10)"]);
        check(Some(9), &[("low", Some("dev"))], &[]);
        check(Some(0), &[("serde", None)], &[]);
    }

    #[test]
    fn a_crate_without_a_level_is_reported() {
        check(None, &[], &["crate: no level"]);
    }

    #[test]
    fn anyhow_stays_in_programs() {
        check(Some(41), &[("anyhow", None)], &["anyhow is for programs"]);
        check(Some(41), &[("anyhow", Some("dev"))], &[]);
        check(Some(50), &[("anyhow", None)], &[]);
    }

    #[test]
    fn unsafe_code_is_forbidden_and_not_merely_denied() {
        for (level, is_breach) in [("forbid", false), ("deny", true), ("warn", true)] {
            let root = format!("[workspace.lints.rust]\nunsafe_code = '{level}'\n");
            assert_eq!(unsafe_breach(&root).unwrap().is_some(), is_breach, "{level}");
        }
        assert!(unsafe_breach("[workspace]\n").unwrap().is_some());
    }

    #[test]
    fn every_manifest_inherits_the_lints() {
        for (manifest, is_breach) in [
            ("[lints]\nworkspace = true\n", false),
            ("[package]\nname = 'a'\n", true),
            ("[lints]\nworkspace = false\n", true),
            ("[lints.rust]\nunsafe_code = 'forbid'\n", true),
        ] {
            assert_eq!(lints_breach("a", manifest).unwrap().is_some(), is_breach, "{manifest}");
        }
    }
}
