//! A chain, two funded nodes, and a channel between them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use strait_api_types::{Channel, ChannelPhase, ConnectPeerRequest, OpenChannelRequest};
use strait_client::{Client, IdempotencyKey};
use tokio::time::{Instant, sleep};

use crate::backend::Backend;
use crate::machine::{Machine, Plan};
use crate::relay::Relay;

/// What alice puts into the channel.
const CAPACITY_SAT: u64 = 50_000_000;
/// What she gives bob of it at once, so that both can pay.
const FIRST_MSAT: u64 = 20_000_000_000;
/// Blocks that pay each node: several coins, since a node keeps some to close with.
const COINS: u32 = 5;
/// Blocks after which a coinbase can be spent.
const MATURITY_BLOCKS: u32 = 100;
/// Blocks on an opening: more than the nodes wait for.
const DEPTH_BLOCKS: u32 = 6;
/// How long anything may take before a run gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Everyone who takes part.
#[derive(Debug)]
pub(crate) struct World<'a> {
    /// The chain.
    pub(crate) backend: &'a Backend,
    /// Where everything of it lies.
    pub(crate) folder: PathBuf,
    /// Between alice and the chain.
    pub(crate) to_chain: Relay,
    /// Who opened the channel.
    pub(crate) alice: Machine,
    /// The other.
    pub(crate) bob: Machine,
    /// The channel.
    pub(crate) channel_id: String,
    /// What both agreed on when the traffic began.
    pub(crate) agreed: Agreed,
}

/// What each side has in the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// Alice's balance.
    pub(crate) alice_msat: u64,
    /// Bob's balance.
    pub(crate) bob_msat: u64,
}

impl<'a> World<'a> {
    /// Starts everyone in a folder, and opens the channel. Alice gets these variables, bob none.
    pub(crate) async fn start(
        backend: &'a Backend,
        strait: &Path,
        folder: &Path,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let to_chain = Relay::start(backend.address()).await?;
        let plan = |name: &'static str, chain: String| Plan {
            name,
            strait: strait.to_owned(),
            folder: folder.join(name),
            chain,
            cookie_file: backend.cookie_file(),
            variables: variables.clone(),
        };
        let mut alice = Machine::new(plan("alice", to_chain.address().to_string()))?;
        let mut bob = Machine::new(plan("bob", backend.address()))?;
        tokio::try_join!(alice.start(), bob.start())?;
        fund(backend, &[alice.client()?, bob.client()?]).await?;
        let agreed = Agreed { alice_msat: 0, bob_msat: 0 };
        let channel_id = String::new();
        let folder = folder.to_owned();
        let mut world = Self { backend, folder, to_chain, alice, bob, channel_id, agreed };
        world.open().await?;
        Ok(world)
    }

    /// Opens the channel, and gives bob his part.
    async fn open(&mut self) -> Result<()> {
        let (alice, bob) = (self.alice.client()?, self.bob.client()?);
        let bobs_id = bob.status().await?.node_id;
        let address = format!("/ip4/127.0.0.1/tcp/{}", self.bob.ports().p2p);
        let known = ConnectPeerRequest { node_id: bobs_id.clone(), address: address.clone() };
        alice.connect_peer(&known).await?;
        let request = OpenChannelRequest {
            node_id: bobs_id,
            address: Some(address),
            capacity_sat: CAPACITY_SAT,
            fee_rate_sat_per_kvb: None,
        };
        let opened = alice.open_channel(&key("open"), &request).await?;
        self.channel_id = opened.channel_id;
        // The answer comes when the funding transaction is on its way, not when it is there.
        wait_for("the funding transaction", async || {
            Ok((self.backend.waiting().await? > 0).then_some(()))
        })
        .await?;
        self.backend.mine(DEPTH_BLOCKS).await?;
        for client in [&alice, &bob] {
            is_open(client, &self.channel_id).await?;
        }
        let first = strait_api_types::PaymentRequest::single(self.channel_id.clone(), FIRST_MSAT);
        alice.pay(&key("first"), &first).await.context("the first payment")?;
        self.agreed = self.balances().await?;
        Ok(())
    }

    /// What both say that each has; an error if they do not say the same.
    pub(crate) async fn balances(&self) -> Result<Agreed> {
        let ours = self.alice.client()?.channel(&self.channel_id).await?;
        let theirs = self.bob.client()?.channel(&self.channel_id).await?;
        ensure!(
            ours.holder_balance_msat == theirs.counterparty_balance_msat
                && ours.counterparty_balance_msat == theirs.holder_balance_msat,
            "the two nodes do not agree: alice says {ours:?}, bob says {theirs:?}"
        );
        Ok(Agreed { alice_msat: ours.holder_balance_msat, bob_msat: theirs.holder_balance_msat })
    }

    /// Both nodes.
    pub(crate) const fn machines(&self) -> [&Machine; 2] {
        [&self.alice, &self.bob]
    }

    /// Stops both nodes; they must end well.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.alice.stop().await?;
        self.bob.stop().await
    }
}

/// Mines coins for all and lets them ripen.
async fn fund(backend: &Backend, clients: &[Client]) -> Result<()> {
    for client in clients {
        let address = client.new_address().await?.address;
        backend.mine_to(&address, COINS).await?;
    }
    backend.mine(MATURITY_BLOCKS).await?;
    let height = backend.height().await?;
    for client in clients {
        wait_for("ripe coins", || async {
            let wallet = client.wallet().await?;
            Ok((wallet.tip_height >= height && wallet.confirmed_sat > 0).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// Waits until a channel is open.
async fn is_open(client: &Client, channel_id: &str) -> Result<Channel> {
    wait_for("an open channel", || async {
        let channel = client.channel(channel_id).await?;
        let phase = channel.phase;
        let comes = [ChannelPhase::Negotiating, ChannelPhase::AwaitingFunding].contains(&phase);
        ensure!(comes || phase == ChannelPhase::Open, "the channel is {phase:?}");
        Ok((phase == ChannelPhase::Open).then_some(channel))
    })
    .await
}

/// Looks again and again until there is something to see.
pub(crate) async fn wait_for<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        ensure!(Instant::now() < deadline, "{what} did not show within {PATIENCE:?}");
        sleep(LOOK).await;
    }
}

/// A key of the harness.
pub(crate) fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).expect("the harness's keys are short and visible")
}
