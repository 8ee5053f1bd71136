//! What happens in a demo, step by step, once its processes run.

use std::time::Duration;

use strait_api_types::{Channel, ChannelPhase, CloseMode, ConnectPeerRequest, OpenChannelRequest};

use super::chain::{Chain, OnChain, sum};
use super::error::{Step, Trouble};
use super::metering::{Metered, USES};
use super::node::{Node, SHOWN_WITHIN, coins_sat, same, wait_until};
use super::payments::{Ends, Plan};
use super::progress::{Meter, Progress, grouped};

/// What alice puts into the channel.
const CAPACITY_SAT: u64 = 10_000_000;
/// Blocks that pay each node: several coins, since a node keeps a reserve of several to close its channels with.
const COINS: u32 = 3;
/// Blocks after which a coinbase can be spent (consensus).
const MATURITY_BLOCKS: u32 = 100;
/// Blocks mined on the opening: as many as the nodes wait for, `chain.confirmations` being the most.
const DEPTH_BLOCKS: u32 = 6;
/// Blocks mined on the close: `chain.confirmations`, and those for which a node keeps a channel beyond.
const FORGOTTEN_BLOCKS: u32 = 12;

/// Everyone who takes part.
#[derive(Debug)]
pub(super) struct Cast {
    /// The chain.
    pub(super) chain: Chain,
    /// Who opens the channel.
    pub(super) alice: Node,
    /// The other.
    pub(super) bob: Node,
}

/// What was seen and measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Story {
    /// How the payments were divided.
    pub(super) plan: Plan,
    /// How long they took.
    pub(super) paid: Paid,
    /// The contract.
    pub(super) metered: Metered,
    /// Both wallets at the start.
    pub(super) before: Coins,
    /// Both wallets at the end.
    pub(super) after: Coins,
    /// The transaction that funded the channel.
    pub(super) funding_txid: String,
    /// The transaction that closed it.
    pub(super) closing_txid: String,
    /// Every transaction but coinbases.
    pub(super) on_chain: Vec<OnChain>,
}

/// How long the payments took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paid {
    /// Those in batches, all together.
    pub(super) many_took: Duration,
    /// Those with a request for each, all together.
    pub(super) loose_took: Duration,
    /// Each of those that waited for the one before.
    pub(super) singles_took: Vec<Duration>,
}

/// What two wallets hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Coins {
    /// Alice's.
    pub(super) alice_sat: u64,
    /// Bob's.
    pub(super) bob_sat: u64,
}

impl Cast {
    /// Plays all steps after the start.
    pub(super) async fn play(
        &self,
        payments: u64,
        progress: &mut Progress<'_>,
    ) -> Result<Story, Trouble> {
        progress.begin(Step::Fund);
        let before = self.fund().await?;
        progress.end(&format!("{} sat each", grouped(before.alice_sat)));
        progress.begin(Step::Connect);
        self.connect().await?;
        progress.end("");
        progress.begin(Step::Open);
        let opened = self.open().await?;
        progress.end(&format!("{} sat", grouped(opened.capacity_sat)));
        let ends = Ends { alice: &self.alice, bob: &self.bob, channel_id: &opened.channel_id };
        let plan = Plan::new(payments, opened.spendable_msat);
        let paid = pay(&ends, &plan, progress).await?;
        progress.begin(Step::Contract);
        let meter = Meter::new(USES);
        let metered = progress.during(&meter, ends.run_metered(&meter)).await?;
        progress.end(&format!("{} calls", grouped(metered.calls)));
        progress.begin(Step::Compare);
        self.compare(&opened, &plan, &metered).await?;
        progress.end("");
        progress.begin(Step::Close);
        let closing_txid = self.close(&opened.channel_id).await?;
        progress.end("");
        progress.begin(Step::Audit);
        let after = self.coins().await?;
        let on_chain = self.chain.transactions().await?;
        progress.end("");
        let funding_txid = opened.funding_txid.unwrap_or_default();
        is_on_chain("the funding transaction in blocks", &funding_txid, &on_chain)?;
        is_on_chain("the closing transaction in blocks", &closing_txid, &on_chain)?;
        Ok(Story { plan, paid, metered, before, after, funding_txid, closing_txid, on_chain })
    }

    /// Mines coins for both and lets them ripen.
    async fn fund(&self) -> Result<Coins, Trouble> {
        for node in [&self.alice, &self.bob] {
            let address = node.client.new_address().await;
            let address = address.map_err(node.failed("give an address"))?.address;
            self.chain.mine_to(&address, COINS).await?;
        }
        self.chain.mine(MATURITY_BLOCKS).await?;
        self.coins().await
    }

    /// What both wallets hold, once they have read the whole chain.
    async fn coins(&self) -> Result<Coins, Trouble> {
        let height = self.chain.height().await?;
        Ok(Coins {
            alice_sat: coins_sat(&self.alice.settled_wallet(height).await?)?,
            bob_sat: coins_sat(&self.bob.settled_wallet(height).await?)?,
        })
    }

    async fn connect(&self) -> Result<(), Trouble> {
        let request = ConnectPeerRequest {
            node_id: self.bob.node_id.clone(),
            address: self.bob.p2p_address.clone(),
        };
        let connected = self.alice.client.connect_peer(&request).await;
        connected.map(drop).map_err(self.alice.failed("connect to bob"))
    }

    /// Opens the channel and mines until both can use it; returns it as alice sees it.
    async fn open(&self) -> Result<Channel, Trouble> {
        let request = OpenChannelRequest {
            node_id: self.bob.node_id.clone(),
            address: None,
            capacity_sat: CAPACITY_SAT,
            fee_rate_sat_per_kvb: None,
        };
        let asked = self.alice.once("open a channel", "demo-open", async |client, key| {
            client.open_channel(key, &request).await
        });
        let channel_id = asked.await?.channel_id;
        self.one_waits("the funding transaction on its way").await?;
        self.chain.mine(DEPTH_BLOCKS).await?;
        let what = "an open channel";
        self.bob.channel_in(&channel_id, ChannelPhase::Open, what).await?;
        self.alice.channel_in(&channel_id, ChannelPhase::Open, what).await
    }

    /// Waits until both nodes tell the same, and compares it with what was paid.
    async fn compare(
        &self,
        opened: &Channel,
        plan: &Plan,
        metered: &Metered,
    ) -> Result<(), Trouble> {
        let channel_id = &opened.channel_id;
        let agreed = wait_until("the same commitment on both sides", SHOWN_WITHIN, async || {
            let alice = self.alice.channel(channel_id).await?;
            let bob = self.bob.channel(channel_id).await?;
            Ok((alice.commitment_number == bob.commitment_number).then_some((alice, bob)))
        });
        let (alice, bob) = agreed.await?;
        let (there, back) = plan.there().zip(plan.back()).ok_or(Trouble::Overflow)?;
        let gained_msat = sum([opened.holder_balance_msat, back.total_msat]);
        let lost_msat = sum([there.total_msat, metered.spent_msat]);
        let left_msat = gained_msat.zip(lost_msat).and_then(|(all, lost)| all.checked_sub(lost));
        let left_msat = left_msat.ok_or(Trouble::Overflow)?;
        same("alice's balance as she sees it", left_msat, alice.holder_balance_msat)?;
        same("alice's balance as bob sees it", left_msat, bob.counterparty_balance_msat)?;
        same("bob's balance", alice.counterparty_balance_msat, bob.holder_balance_msat)?;
        let both = sum([alice.holder_balance_msat, bob.holder_balance_msat]);
        let capacity_msat = opened.capacity_sat.checked_mul(1_000).ok_or(Trouble::Overflow)?;
        same("both balances together", capacity_msat, both.ok_or(Trouble::Overflow)?)?;
        let (by_alice, by_bob) = tokio::try_join!(self.alice.history(), self.bob.history())?;
        for (sent, received, paid) in
            [(by_alice.sent, by_bob.received, there), (by_bob.sent, by_alice.received, back)]
        {
            same("payments in the payer's log", paid.count, sent.count)?;
            same("payments in the payee's log", paid.count, received.count)?;
            same("millisatoshis in the payer's log", paid.total_msat, sent.total_msat)?;
            same("millisatoshis in the payee's log", paid.total_msat, received.total_msat)?;
        }
        Ok(())
    }

    /// Closes the channel and mines until every output is settled; returns the transaction that closed it.
    async fn close(&self, channel_id: &str) -> Result<String, Trouble> {
        let (alice_from, bob_from) =
            tokio::try_join!(self.alice.next_event(), self.bob.next_event())?;
        let asked = self.alice.once("close the channel", "demo-close", async |client, key| {
            client.close_channel(key, channel_id, CloseMode::Cooperative).await
        });
        asked.await?;
        self.one_waits("the closing transaction on its way").await?;
        self.chain.mine(FORGOTTEN_BLOCKS).await?;
        let (closing_txid, _same) = tokio::try_join!(
            self.alice.resolved(channel_id, alice_from),
            self.bob.resolved(channel_id, bob_from)
        )?;
        Ok(closing_txid)
    }

    /// Waits until a transaction waits for a block.
    async fn one_waits(&self, what: &'static str) -> Result<(), Trouble> {
        let look = async || Ok((!self.chain.waiting().await?.is_empty()).then_some(()));
        wait_until(what, SHOWN_WITHIN, look).await
    }
}

/// Makes all payments.
async fn pay(ends: &Ends<'_>, plan: &Plan, progress: &mut Progress<'_>) -> Result<Paid, Trouble> {
    progress.begin(Step::PayMany);
    ends.pay_first(plan).await?;
    let meter = Meter::new(plan.many());
    let many_took = progress.during(&meter, ends.pay_many(plan, &meter)).await?;
    progress.end(&format!("{} payments", grouped(plan.many())));
    progress.begin(Step::PayLoose);
    let meter = Meter::new(plan.loose());
    let loose_took = progress.during(&meter, ends.pay_loose(plan, &meter)).await?;
    progress.end(&format!("{} payments", grouped(plan.loose())));
    progress.begin(Step::PayOneByOne);
    let meter = Meter::new(plan.singles);
    let singles_took = progress.during(&meter, ends.pay_singly(plan, &meter)).await?;
    progress.end(&format!("{} payments", grouped(plan.singles)));
    Ok(Paid { many_took, loose_took, singles_took })
}

fn is_on_chain(what: &'static str, txid: &str, on_chain: &[OnChain]) -> Result<(), Trouble> {
    let found = on_chain.iter().filter(|transaction| transaction.txid == txid).count();
    same(what, 1, u64::try_from(found).expect("lengths fit in 64 bits"))
}
