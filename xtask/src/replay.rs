//! Steps through a run of the simulated world in words.
//!
//! A contributor runs it with the seed that a failure printed, or with the bytes of a fuzzer. At a terminal it waits after
//! each step; elsewhere it tells all at once. **Invariant:** the run is the same each time; nothing is kept.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};

use crate::process::{self, say};

/// What to replay.
#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// The seed.
    #[arg(default_value_t = 1)]
    seed: u64,
    /// The bytes that decide, instead of a seed.
    #[arg(long)]
    bytes: Option<PathBuf>,
    /// Steps of the storm, as the failure printed them.
    #[arg(long, default_value_t = 5_000)]
    steps: u64,
    /// The first step to tell.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Only lines that contain this: the name of a node, or the beginning of a channel's.
    #[arg(long, default_value = "")]
    about: String,
}

/// Builds the simulated world and steps through the run.
///
/// # Errors
/// If it does not build or does not start. A law that is broken is the end of the story and no error.
pub(crate) fn run(root: &Path, replay: &Replay) -> Result<()> {
    let mut command = process::cargo();
    command.current_dir(root).args(["run", "--quiet", "--locked", "--workspace"]);
    command.args(["--profile", "sim", "--bin", "strait-sim", "--", "--tell"]);
    command.args(["--seed", &replay.seed.to_string(), "--steps", &replay.steps.to_string()]);
    if let Some(bytes) = &replay.bytes {
        command.arg("--bytes").arg(bytes);
    }
    let ran = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let ran = ran.context("the simulated world does not start")?;
    let told = String::from_utf8(ran.stdout).context("the simulated world speaks UTF-8")?;
    let lines: Vec<&str> = told.lines().filter(|line| is_told(line, replay)).collect();
    tell(&lines)
}

/// True for what was asked for, and for how the run ends, which belongs to no step.
fn is_told(line: &str, replay: &Replay) -> bool {
    step_of(line).is_none_or(|step| step >= replay.from && line.contains(&replay.about))
}

/// The step that a line belongs to: its first word.
fn step_of(line: &str) -> Option<u64> {
    line.split_whitespace().next()?.parse().ok()
}

/// Tells a step at a time to people, and everything to programs.
fn tell(lines: &[&str]) -> Result<()> {
    let by_hand = io::stdin().is_terminal() && io::stdout().is_terminal();
    if by_hand {
        say("Enter tells the next step, a number so many, q ends.");
    }
    let mut left = 0_u64;
    for chunk in lines.chunk_by(|one, next| step_of(one) == step_of(next)) {
        if by_hand && left == 0 {
            match asked()? {
                Some(steps) => left = steps,
                None => return Ok(()),
            }
        }
        left = left.saturating_sub(1);
        for line in chunk {
            writeln!(io::stdout(), "{line}")?;
        }
    }
    Ok(())
}

/// How many steps are wanted; none to end.
fn asked() -> Result<Option<u64>> {
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer)?;
    let answer = answer.trim();
    Ok((read > 0 && answer != "q").then(|| answer.parse().unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_begins_where_it_is_told_and_always_tells_the_end() {
        let replay = Replay { seed: 1, bytes: None, steps: 10, from: 7, about: "bob".into() };
        let told = [
            "     3  1 ms  bob starts",
            "     7  2 ms  bob hears",
            "     8  2 ms  alice",
            "seed 1: over",
        ];
        let kept: Vec<_> = told.into_iter().filter(|line| is_told(line, &replay)).collect();
        assert_eq!(kept, [told[1], told[3]]);
    }
}
