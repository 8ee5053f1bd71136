//! The workspace as `cargo metadata` tells it: its root and its members.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::process;

/// What the chores need to know of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    /// The directory of the root manifest.
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where builds go.
    pub(crate) target_directory: PathBuf,
    /// The members, in cargo's order.
    pub(crate) packages: Vec<Package>,
}

/// One member.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// Its name in the manifest.
    pub(crate) name: String,
    /// Where the manifest lies.
    pub(crate) manifest_path: PathBuf,
    /// All its dependencies, of every kind and target.
    pub(crate) dependencies: Vec<Dependency>,
    /// `[package.metadata]`, absent in most manifests of the world and present in all of ours.
    pub(crate) metadata: Option<Metadata>,
}

/// One line under `[dependencies]`, `[dev-dependencies]` or `[build-dependencies]`.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// The package it names.
    pub(crate) name: String,
    /// `None` for a normal one, else `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// Where it lies, if it is one of ours.
    pub(crate) path: Option<PathBuf>,
}

/// `[package.metadata]`.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// `[package.metadata.strait]`.
    pub(crate) strait: Option<Placement>,
}

/// `[package.metadata.strait]`.
#[derive(Debug, Deserialize)]
pub(crate) struct Placement {
    /// How far above the foundation the crate stands; it may import only what stands lower.
    pub(crate) level: u16,
}

impl Workspace {
    /// Asks cargo about the workspace of the current directory.
    ///
    /// # Errors
    /// If cargo refuses, for instance because a manifest is malformed.
    pub(crate) fn load() -> Result<Self> {
        let json = process::capture(process::cargo().args([
            "metadata",
            "--no-deps",
            "--locked",
            "--format-version=1",
        ]))?;
        serde_json::from_str(&json).context("cargo metadata printed what we do not understand")
    }
}

impl Package {
    /// The level written in the manifest, if any.
    pub(crate) fn level(&self) -> Option<u16> {
        Some(self.metadata.as_ref()?.strait.as_ref()?.level)
    }
}
