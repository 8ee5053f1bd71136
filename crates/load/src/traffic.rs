//! Steady traffic: payments one by one and in batches, and locks, both ways, at rates that do not depend on the answers.
//!
//! Every request is repeated under its key until it has an answer that is final, however long that takes, so that the
//! books are right when the traffic has ended. Who finds all places in flight taken is left out and counted.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bitcoin_hashes::{Hash as _, sha256};
use strait_api_types::{
    ClaimLockRequest, ErrorCode, LockDirection, LockState, OfferLockRequest, PaymentItem,
    PaymentRequest, PreimageHex,
};
use strait_client::{Client, ClientError, IdempotencyKey, LockFilter, Outcome};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::ledger::{Ledger, Way};
use crate::world::{World, key};

/// What a payment moves.
const AMOUNT_MSAT: u64 = 1_000;
/// What a lock holds.
const LOCK_MSAT: u64 = 5_000_000;
/// One lock in so many is given back.
const CANCEL_EVERY: u64 = 5;
/// How far above the tip a lock expires.
const EXPIRY_BLOCKS: u32 = 200;
/// Requests of one kind in flight.
const IN_FLIGHT: usize = 128;
/// How long a request may be repeated.
const PATIENCE: Duration = Duration::from_secs(1_200);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// How much traffic there is, each way.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Rates {
    /// Payments with a request for each, a second and way.
    #[arg(long, default_value_t = 100)]
    pub(crate) singles: u32,
    /// Batches a second and way.
    #[arg(long, default_value_t = 5)]
    pub(crate) batches: u32,
    /// Payments in a batch.
    #[arg(long, default_value_t = 100)]
    pub(crate) batch: u32,
    /// Locks a second and way; one in five is given back, the others are claimed.
    #[arg(long, default_value_t = 2)]
    pub(crate) locks: u32,
}

/// Traffic that goes on until it is told to end.
#[derive(Debug)]
pub(crate) struct Traffic {
    stop: watch::Sender<bool>,
    flows: Vec<JoinHandle<Result<()>>>,
    /// The books.
    pub(crate) ledger: Arc<Ledger>,
}

/// One payer and one payee.
#[derive(Debug, Clone)]
struct Ends {
    way: Way,
    payer: Client,
    payee: Client,
    channel_id: String,
    ledger: Arc<Ledger>,
    /// Distinguishes the keys of this run from those of others on the same nodes.
    run: Arc<str>,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Single,
    Batch(u32),
    Lock,
}

impl Traffic {
    /// Begins.
    pub(crate) fn start(world: &World<'_>, rates: Rates, run: &str) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let ledger = Arc::new(Ledger::default());
        let (alice, bob) = (world.alice.client()?, world.bob.client()?);
        let mut flows = Vec::new();
        for (way, payer, payee) in
            [(Way::There, alice.clone(), bob.clone()), (Way::Back, bob, alice)]
        {
            let ends = Ends {
                way,
                payer,
                payee,
                channel_id: world.channel_id.clone(),
                ledger: Arc::clone(&ledger),
                run: run.into(),
            };
            let kinds = [
                (Kind::Single, rates.singles),
                (Kind::Batch(rates.batch), rates.batches),
                (Kind::Lock, rates.locks),
            ];
            for (kind, per_second) in kinds.into_iter().filter(|(_, per_second)| *per_second > 0) {
                let flow = ends.clone().flow(kind, per_second, stopped.clone());
                flows.push(tokio::spawn(flow));
            }
        }
        Ok(Self { stop, flows, ledger })
    }

    /// Ends, once every request has its answer.
    pub(crate) async fn end(self) -> Result<Arc<Ledger>> {
        self.stop.send_replace(true);
        for flow in self.flows {
            flow.await??;
        }
        Ok(self.ledger)
    }
}

impl Ends {
    /// Asks at a rate until told to stop; then waits for all answers.
    async fn flow(
        self,
        kind: Kind,
        per_second: u32,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<()> {
        let places = Arc::new(Semaphore::new(IN_FLIGHT));
        let mut ticks = interval(Duration::from_secs(1) / per_second);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut requests = JoinSet::new();
        let mut number: u64 = 0;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                Some(ended) = requests.join_next(), if !requests.is_empty() => { ended??; continue }
                _ = stopped.changed() => break,
            }
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                self.ledger.shed();
                continue;
            };
            number += 1;
            let (ends, number) = (self.clone(), number);
            requests.spawn(async move {
                let done = match kind {
                    Kind::Single => ends.pay(number, 1).await,
                    Kind::Batch(count) => ends.pay(number, count).await,
                    Kind::Lock => ends.pay_by_lock(number).await,
                };
                drop(place);
                done
            });
        }
        while let Some(ended) = requests.join_next().await {
            ended??;
        }
        Ok(())
    }

    async fn pay(&self, number: u64, count: u32) -> Result<()> {
        let request = if count == 1 {
            PaymentRequest::single(self.channel_id.clone(), AMOUNT_MSAT)
        } else {
            let item = PaymentItem { amount_msat: AMOUNT_MSAT, reference: None };
            PaymentRequest::batch(self.channel_id.clone(), vec![item; usize::try_from(count)?])
        };
        let key = self.key(if count == 1 { "single" } else { "batch" }, number);
        let begun = Instant::now();
        let paid = self.answer(|| self.payer.pay(&key, &request)).await;
        let paid = paid.with_context(|| format!("payment {key}"))?;
        self.ledger.paid(self.way, paid.count.into(), paid.total_msat, begun.elapsed());
        Ok(())
    }

    /// Offers a lock, and lets the payee claim it or give it back.
    async fn pay_by_lock(&self, number: u64) -> Result<()> {
        let mut preimage = [0; 32];
        getrandom::fill(&mut preimage)?;
        let payment_hash = hex::encode(sha256::Hash::hash(&preimage).to_byte_array());
        let tip = self.answer(|| self.payer.status()).await?.chain.tip_height;
        let request = OfferLockRequest {
            channel_id: self.channel_id.clone(),
            amount_msat: LOCK_MSAT,
            payment_hash: payment_hash.clone(),
            expiry: tip + EXPIRY_BLOCKS,
            route: Vec::new(),
        };
        let offer = self.key("offer", number);
        let asked = self.answer(|| self.payer.offer_lock(&offer, &request)).await;
        let offered = match asked {
            Ok(offered) => offered.lock_id,
            // Those that stand already take all the room there is, which passes.
            Err(error) if is_full(&error) => {
                self.ledger.shed();
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let Some(held) = self.held(&payment_hash, &offered).await? else {
            self.ledger.lock_ended(self.way, 0);
            return Ok(());
        };
        if number.is_multiple_of(CANCEL_EVERY) {
            let key = self.key("cancel", number);
            self.answer(|| self.payee.cancel_lock(&key, &held)).await?;
            self.ledger.lock_ended(self.way, 0);
        } else {
            let key = self.key("claim", number);
            let claim = ClaimLockRequest { preimage: PreimageHex(hex::encode(preimage)) };
            self.answer(|| self.payee.claim_lock(&key, &held, &claim)).await?;
            self.ledger.lock_ended(self.way, LOCK_MSAT);
        }
        Ok(())
    }

    /// Waits until the payee holds the lock; its id there. None if the payee's node gives it back by itself.
    async fn held(&self, payment_hash: &str, offered: &str) -> Result<Option<String>> {
        let filter = LockFilter {
            channel_id: Some(self.channel_id.clone()),
            direction: Some(LockDirection::Received),
            state: Some(LockState::Held),
            after: None,
            limit: Some(200),
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let list = self.answer(|| self.payee.locks(&filter)).await?;
            if let Some(lock) = list.locks.iter().find(|lock| lock.payment_hash == payment_hash) {
                return Ok(Some(lock.lock_id.clone()));
            }
            let ours = self.answer(|| self.payer.lock(offered)).await?;
            if ours.state == LockState::Cancelled {
                return Ok(None);
            }
            sleep(PAUSE).await;
        }
        bail!("a lock that stands is not held within {PATIENCE:?}")
    }

    /// Asks until there is a final answer.
    async fn answer<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> Result<T, ClientError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match ask().await {
                Err(error) if is_worth_another(&error) && Instant::now() < deadline => {
                    self.ledger.again(name_of(&error));
                    sleep(PAUSE).await;
                }
                answered => return answered,
            }
        }
    }

    fn key(&self, what: &str, number: u64) -> IdempotencyKey {
        key(&format!("{}-{what}-{number}", self.run))
    }
}

/// Whether the same request can still be answered otherwise.
fn is_worth_another(error: &ClientError) -> bool {
    match error.outcome() {
        Outcome::Unknown | Outcome::NotReached => true,
        Outcome::Refused => {
            matches!(error, ClientError::Refused { status, .. } if matches!(status, 429 | 503))
        }
        Outcome::NotSent => false,
    }
}

fn is_full(error: &ClientError) -> bool {
    let ClientError::Refused { error, .. } = error else { return false };
    matches!(error.code, ErrorCode::LimitReached | ErrorCode::FeeReserveTooLow)
}

fn name_of(error: &ClientError) -> String {
    if let ClientError::Refused { error, .. } = error {
        return error.code.to_string();
    }
    if matches!(error, ClientError::Unreachable { .. }) {
        return "unreachable".to_owned();
    }
    error.to_string()
}
