//! `strait demo`: a chain and two nodes as processes of their own, a channel from its opening to its last satoshi.
//!
//! The demo uses what any user has: the binary's own commands, configuration files, the REST interface, and the chain's
//! RPC to mine. It measures what it sees from there and checks every sum itself.
//!
//! ```text
//! strait demo ─┬─ strait devnet                  its RPC: mine, read blocks
//!              ├─ strait node --config alice.toml ─┐ REST: open, pay, act, close
//!              └─ strait node --config bob.toml  ──┘ libp2p over TCP between the two
//! ```
//!
//! **Invariant:** no child outlives the demo, and the sums in its report are worked out, never assumed.

mod chain;
mod error;
mod folder;
mod http;
mod metering;
mod node;
mod payments;
mod process;
mod progress;
mod report;
mod story;

use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::time::{interval, timeout};

pub use chain::RpcError;
pub use error::{DemoError, Step, Trouble, Who};
pub use http::HttpError;

use crate::cli::{DemoArgs, Globals};
use crate::devnet_command::mining_line;
use crate::stop::{Stdin, asked_to_stop};
use chain::Chain;
use folder::Folder;
use node::Node;
use process::{Processes, Stdout};
use progress::Progress;
use report::Report;
use story::{Cast, Story};

/// How often a block comes while the demo is kept.
const KEPT_BLOCK_EVERY: Duration = Duration::from_secs(5);

/// How long after a failure the end of a child that caused it may take to show.
const END_SHOWS_WITHIN: Duration = Duration::from_millis(300);

/// Somebody wants the demo to stop.
type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs the demo to its end, or until somebody stops it.
///
/// # Errors
/// [`DemoError`], which names the step; what the children said last is on `words` then.
pub async fn run(
    globals: &Globals,
    args: &DemoArgs,
    data: &mut (dyn Write + Send),
    words: &mut (dyn Write + Send),
) -> Result<(), DemoError> {
    let mut progress = Progress::new(words);
    let at_start = |trouble| failed(Step::Start, trouble);
    let mut stop: Stop = Box::pin(
        asked_to_stop(Stdin::Ignored)
            .map_err(|source| at_start(Trouble::System { what: "word of signals", source }))?,
    );
    let folder = Folder::create().map_err(at_start)?;
    let mut processes = Processes::default();
    let mut done = play(args, &folder, &mut processes, &mut stop, &mut progress).await;
    if let Ok((cast, story)) = &done {
        let kept = finish(globals, story, data).map_err(|trouble| failed(Step::Audit, trouble));
        let kept = kept.and_then(|()| report::audit(story));
        let kept = match (kept, args.keep) {
            (Ok(()), true) => keep(cast, &mut processes, &folder, &mut stop, &mut progress).await,
            (other, _) => other,
        };
        if let Err(error) = kept {
            done = Err(error);
        }
    }
    let tails = processes.tails();
    processes.stop().await;
    match done {
        Ok(_) => folder.remove().map_err(|trouble| failed(Step::Audit, trouble)),
        Err(error @ DemoError::Stopped { .. }) => {
            // It is on the way out; a folder that stays is no reason for another error.
            let _ = folder.remove();
            Err(error)
        }
        Err(error) => {
            progress.say(&format!("\n{tails}everything is in {}", folder.path().display()));
            Err(error)
        }
    }
}

fn failed(step: Step, trouble: Trouble) -> DemoError {
    DemoError::Step { step, source: Box::new(trouble) }
}

/// Starts everyone and plays all steps, unless somebody stops it or a child ends before.
async fn play(
    args: &DemoArgs,
    folder: &Folder,
    processes: &mut Processes,
    stop: &mut Stop,
    progress: &mut Progress<'_>,
) -> Result<(Cast, Story), DemoError> {
    progress.begin(Step::Start);
    let ports = folder::free_ports().map_err(|trouble| failed(Step::Start, trouble))?;
    let chain = tokio::select! {
        chain = start(folder, &ports, processes) => chain,
        () = &mut *stop => return Err(DemoError::Stopped { step: Step::Start }),
    };
    let chain = chain.map_err(|trouble| failed(Step::Start, trouble))?;
    let played = tokio::select! {
        played = perform(args, folder, &ports, chain, progress) => played,
        ended = processes.first_end() => Err(ended),
        () = &mut *stop => return Err(DemoError::Stopped { step: progress.step() }),
    };
    let played = match played {
        // What failed may have failed because a child is gone: then that is the cause to tell.
        Err(trouble) => {
            Err(timeout(END_SHOWS_WITHIN, processes.first_end()).await.unwrap_or(trouble))
        }
        Ok(played) => Ok(played),
    };
    played.map_err(|trouble| failed(progress.step(), trouble))
}

/// Starts the three processes; the chain answers when this returns.
async fn start(
    folder: &Folder,
    ports: &[folder::Ports; 2],
    processes: &mut Processes,
) -> Result<Chain, Trouble> {
    let cookie_file = folder.cookie_file();
    let text = |path: &Path| path.display().to_string();
    let cookie = text(&cookie_file);
    let arguments =
        ["devnet", "--listen", "127.0.0.1:0", "--cookie-file", &cookie, "--stop-with-stdin"];
    processes.start(Who::Chain, &arguments, &folder.log(Who::Chain), Stdout::Read)?;
    let chain = Chain::new(&processes.first_line().await?, &cookie_file)?;
    for (who, ports) in [Who::Alice, Who::Bob].into_iter().zip(ports) {
        let config = text(&folder.write_config(who, &chain.rpc_url, ports)?);
        let arguments = ["node", "--config", &config, "--stop-with-stdin"];
        processes.start(who, &arguments, &folder.log(who), Stdout::Log)?;
    }
    Ok(chain)
}

/// Waits for the nodes and plays every step.
async fn perform(
    args: &DemoArgs,
    folder: &Folder,
    ports: &[folder::Ports; 2],
    chain: Chain,
    progress: &mut Progress<'_>,
) -> Result<(Cast, Story), Trouble> {
    let [alice, bob] = ports;
    let (alice, bob) = tokio::try_join!(
        Node::ready(Who::Alice, folder, alice),
        Node::ready(Who::Bob, folder, bob)
    )?;
    progress.end("");
    let cast = Cast { chain, alice, bob };
    let story = cast.play(args.payments, progress).await?;
    Ok((cast, story))
}

/// Writes the table, or the JSON object.
fn finish(globals: &Globals, story: &Story, data: &mut dyn Write) -> Result<(), Trouble> {
    let report = Report::new(story);
    let text = if globals.json {
        serde_json::to_string(&report).expect("a report is numbers and texts") + "\n"
    } else {
        report::table(story, &report)
    };
    let written = data.write_all(text.as_bytes()).and_then(|()| data.flush());
    written.map_err(|source| Trouble::System { what: "way to write the report", source })
}

/// Leaves everything running, with a block every few seconds, until somebody stops it.
async fn keep(
    cast: &Cast,
    processes: &mut Processes,
    folder: &Folder,
    stop: &mut Stop,
    progress: &mut Progress<'_>,
) -> Result<(), DemoError> {
    progress.say(&how_to_talk(cast, processes, folder));
    let mut blocks = interval(KEPT_BLOCK_EVERY);
    let mine = async {
        loop {
            blocks.tick().await;
            if let Err(trouble) = cast.chain.mine(1).await {
                return trouble;
            }
        }
    };
    let mut mine = pin!(mine);
    tokio::select! {
        () = stop => Ok(()),
        trouble = &mut mine => Err(failed(progress.step(), trouble)),
        ended = processes.first_end() => Err(failed(progress.step(), ended)),
    }
}

/// The commands with which a person goes on.
fn how_to_talk(cast: &Cast, processes: &Processes, folder: &Folder) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "strait".into());
    let program = program.display();
    let mut text = format!("\nEverything runs until Ctrl-C, in {}\n", folder.path().display());
    for (who, id) in processes.ids() {
        text.push_str(&format!("  {who}: process {}\n", id.unwrap_or_default()));
    }
    for node in [&cast.alice, &cast.bob] {
        let (api, token) = (&node.api_url, node.token_file.display());
        text.push_str(&format!(
            "\nTo talk to {}, node {}:\n  {program} --api {api} --token-file '{token}' status\n",
            node.who, node.node_id
        ));
    }
    let Node { api_url, token_file, .. } = &cast.alice;
    let Node { node_id, p2p_address, .. } = &cast.bob;
    text.push_str(&format!(
        "\nTo open another channel from alice to bob:\n  \
         {program} --api {api_url} --token-file '{}' channel open {node_id} 1000000 --address {p2p_address}\n",
        token_file.display()
    ));
    let Chain { rpc_url, cookie_file, .. } = &cast.chain;
    text.push_str(&format!(
        "\nA block comes every {} s. To make 6 at once:\n  {}",
        KEPT_BLOCK_EVERY.as_secs(),
        mining_line(rpc_url, cookie_file, 6)
    ));
    text
}
