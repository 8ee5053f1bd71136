//! `cargo xtask operations`: what deploys and watches the node is checked by the tools that its users run.
//!
//! Helm lints and renders the chart, Kubernetes' schemas and the node itself judge what comes out, and the image's recipe,
//! workflows, scripts and rules each have a judge of their own. The judges are prebuilt programs in a virtual environment
//! under the user's cache ([`toolbox`]); a machine that cannot have one says so and goes on, unless
//! `STRAIT_REQUIRE_OPERATIONS` is 1.
//!
//! **Invariant:** nothing here starts a service, needs a network once the tools are there, or changes the checkout.

mod toolbox;

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use self::toolbox::Toolbox;
use crate::process::{self, Stopwatch, say};
use crate::tidy;
use crate::workspace::Workspace;

/// Minor versions of Kubernetes that the chart is held against: the oldest that clouds still run, one between, the newest.
const KUBERNETES_MINORS: [&str; 3] = ["1.30", "1.34", "1.37"];

/// YAML that people write; templates are no YAML before they are rendered.
const YAML: [&str; 4] = ["k8s/chart", "deploy", ".github", "audit"];

/// What every check needs.
struct Checks {
    root: PathBuf,
    tools: Toolbox,
    /// Where the chart is rendered to.
    rendered: PathBuf,
    /// The node's binary.
    strait: PathBuf,
    left_out: Vec<String>,
}

/// One of them.
type Check = fn(&mut Checks) -> Result<()>;

/// Runs all checks on `workspace`; the answer is what this machine could not check.
///
/// # Errors
/// If something is not in order; all that is has been printed.
pub(crate) fn run(workspace: &Workspace) -> Result<Vec<String>> {
    let must = env::var_os("STRAIT_REQUIRE_OPERATIONS").is_some_and(|value| value == "1");
    let left_out = match toolbox::open(&workspace.root)? {
        toolbox::Opened::Ready(tools) => check(workspace, tools)?,
        toolbox::Opened::Impossible(why) => vec![format!("operations were not checked: {why}")],
    };
    ensure!(
        !must || left_out.is_empty(),
        "left out although STRAIT_REQUIRE_OPERATIONS is 1: {}",
        left_out.join("; ")
    );
    Ok(left_out)
}

fn check(workspace: &Workspace, tools: Toolbox) -> Result<Vec<String>> {
    // As the tests build it, so that nothing is compiled twice.
    process::run(process::cargo().current_dir(&workspace.root).args([
        "build",
        "--locked",
        "--workspace",
        "--bins",
        "--examples",
    ]))?;
    let mut checks = Checks {
        root: workspace.root.clone(),
        tools,
        rendered: workspace.target_directory.join("chart"),
        strait: workspace.target_directory.join("debug/strait"),
        left_out: Vec::new(),
    };
    let all: [(&str, Check); 8] = [
        ("YAML", Checks::yaml),
        ("the chart", Checks::chart),
        ("settings", Checks::settings),
        ("misconfiguration", Checks::misconfiguration),
        ("the image", Checks::image),
        ("workflows", Checks::workflows),
        ("shell scripts", Checks::scripts),
        ("rules of Prometheus", Checks::rules),
    ];
    let mut broken = Vec::new();
    for (name, check) in all {
        let watch = Stopwatch::start();
        match check(&mut checks) {
            Ok(()) => say(&format!("{name}: fine, in {:.1} s", watch.elapsed().as_secs_f64())),
            Err(error) => {
                say(&format!("{name}: {error:#}"));
                broken.push(name);
            }
        }
    }
    if !broken.is_empty() {
        bail!("not in order: {}", broken.join(", "));
    }
    Ok(checks.left_out)
}

impl Checks {
    /// A tool of the toolbox, run in the root of the repository.
    fn tool(&self, name: &str) -> Command {
        let mut command = self.tools.command(name);
        command.current_dir(&self.root);
        command
    }

    fn yaml(&mut self) -> Result<()> {
        let present = YAML.into_iter().filter(|folder| self.root.join(folder).is_dir());
        process::run(
            self.tool("yamllint")
                .args(["--strict", "--config-file", "deploy/tools/yamllint.yaml"])
                .args(present),
        )
    }

    /// Lints, renders and refuses; then what was rendered against the schemas of Kubernetes.
    fn chart(&mut self) -> Result<()> {
        process::run(
            self.tool("python").args(["deploy/tools/chart.py", "k8s/chart"]).arg(&self.rendered),
        )?;
        let manifests = files(&self.rendered, "yaml")?;
        for minor in KUBERNETES_MINORS {
            process::run(
                self.tool("kubernetes-validate")
                    .args(["--strict", "--quiet", "-k", minor])
                    .args(&manifests),
            )
            .with_context(|| format!("Kubernetes {minor}"))?;
        }
        Ok(())
    }

    /// The node's own judgement of every settings file that we ship or render.
    fn settings(&mut self) -> Result<()> {
        let mut shipped = files(&self.root.join("deploy/config"), "toml")?;
        shipped.push(self.root.join("deploy/compose/node.toml"));
        shipped.extend(files(&self.rendered, "toml")?);
        for file in shipped {
            process::run(
                Command::new(&self.strait).args(["config", "check", "--config"]).arg(&file),
            )?;
        }
        Ok(())
    }

    fn misconfiguration(&mut self) -> Result<()> {
        for (folder, values) in
            [("k8s", Some("k8s/chart/values-regtest.yaml")), ("deploy/docker", None)]
        {
            let mut trivy = self.tool("trivy");
            trivy.args(["config", "--quiet", "--skip-check-update", "--exit-code", "1"]);
            trivy.args(["--ignorefile", "deploy/trivy-ignore.yaml", "--cache-dir"]);
            trivy.arg(self.rendered.join("trivy"));
            trivy.args(values.map(|file| format!("--helm-values={file}"))).arg(folder);
            process::run(&mut trivy)?;
        }
        Ok(())
    }

    fn image(&mut self) -> Result<()> {
        process::run(self.tool("hadolint").arg("deploy/docker/Dockerfile"))
    }

    fn workflows(&mut self) -> Result<()> {
        process::run(self.tool("python").args(["deploy/tools/workflows.py", ".github/workflows"]))?;
        process::run(&mut self.tool("actionlint"))?;
        process::run(self.tool("zizmor").args(["--offline", "--quiet", "--persona=regular", "."]))
    }

    /// Their form, and the tests of those that have some.
    fn scripts(&mut self) -> Result<()> {
        let scripts: Vec<_> =
            tidy::shell_scripts(&self.root)?.into_iter().map(|script| script.path).collect();
        process::run(self.tool("shellcheck").args(&scripts))?;
        process::run(
            self.tool("shfmt").args(["--indent", "2", "--case-indent", "--diff"]).args(&scripts),
        )?;
        let tests = files(&self.root.join("deploy/tests"), "bats")?;
        process::run(
            self.tool("bats")
                .arg("--print-output-on-failure")
                .args(&tests)
                .env("STRAIT_BIN", &self.strait)
                // Tests of scripts stand on their own feet, whatever whoever runs them has set.
                .env_remove("STRAIT_CONFIG"),
        )
    }

    fn rules(&mut self) -> Result<()> {
        let Some(promtool) = self.tools.promtool().map(Path::to_path_buf) else {
            self.left_out.push(
                "the rules of Prometheus were not checked: there is no promtool (install Prometheus)"
                    .into(),
            );
            return Ok(());
        };
        let folder = self.root.join("deploy/prometheus");
        let promtool = |arguments: &[&str]| {
            let mut command = Command::new(&promtool);
            command.current_dir(&folder).args(arguments);
            command
        };
        process::run(&mut promtool(&["check", "rules", "rules.yaml"]))?;
        process::run(&mut promtool(&["check", "config", "prometheus.yaml"]))?;
        process::run(&mut promtool(&[
            "check",
            "config",
            "--syntax-only",
            "../compose/prometheus.yaml",
        ]))?;
        // Each plays days of time through: side by side they take half as long.
        let tests = files(&folder.join("tests"), "yaml")?;
        let mut running = Vec::new();
        for test in tests {
            let mut command = promtool(&["test", "rules"]);
            let child = command.arg(&test).stdout(io::stderr()).spawn();
            running.push((test, child.context("could not start promtool")?));
        }
        for (test, mut child) in running {
            let status = child.wait().context("could not wait for promtool")?;
            ensure!(status.success(), "the tests in {} failed", test.display());
        }
        Ok(())
    }
}

/// The files of a folder with this suffix, in order; at least one.
fn files(folder: &Path, suffix: &str) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("no folder {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == suffix) {
            found.push(path);
        }
    }
    found.sort();
    ensure!(!found.is_empty(), "no .{suffix} file in {}", folder.display());
    Ok(found)
}
