//! The demo's hand on a node: its typed client, where it lies, and what to wait for.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use strait_api_types::{
    Channel, ChannelPhase, EVENT_PAGE_MAX, EventKind, PaymentItem, PaymentRequest, WalletResponse,
};
use strait_client::{Client, ClientError, IdempotencyKey, Outcome};
use tokio::time::{Instant, sleep, timeout};

use super::chain::sum;
use super::error::{Trouble, Who};
use super::folder::{Folder, Ports};
use super::http::{self, HttpError};
use super::payments::Flow;

/// Pause between two looks at something that should happen soon.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a node may take to be ready: it makes its keys and self-tests the chain's package relay.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long anything else on the chain or between the nodes may take to show.
pub(super) const SHOWN_WITHIN: Duration = Duration::from_secs(60);
/// How often a request is sent whose outcome is unknown.
const ATTEMPTS_MAX: u32 = 5;

/// The payments in a node's log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct History {
    /// Its own.
    pub(super) sent: Flow,
    /// Those of the other.
    pub(super) received: Flow,
}

/// A node of the demo.
#[derive(Debug)]
pub(super) struct Node {
    /// Whose it is.
    pub(super) who: Who,
    /// Its REST interface.
    pub(super) client: Client,
    /// Where that answers.
    pub(super) api_url: String,
    /// The file with its token.
    pub(super) token_file: PathBuf,
    /// Where it listens for peers, as a multiaddr.
    pub(super) p2p_address: String,
    /// Its id.
    pub(super) node_id: String,
}

impl Node {
    /// Waits until a process is a node that is ready, and learns its id.
    pub(super) async fn ready(who: Who, folder: &Folder, ports: &Ports) -> Result<Self, Trouble> {
        let health = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.metrics));
        let what = match who {
            Who::Chain | Who::Alice => "alice's readiness",
            Who::Bob => "bob's readiness",
        };
        wait_until(what, READY_WITHIN, async || is_ready(who, health).await).await?;
        let token_file = folder.data_dir(who).join("api.token");
        let token = std::fs::read_to_string(&token_file)
            .map_err(|source| Trouble::File { path: token_file.clone(), source })?;
        let api_url = format!("http://127.0.0.1:{}", ports.api);
        let failed = |source| Trouble::Node { who, what: "tell its id", source };
        let client = Client::new(&api_url, token.trim()).map_err(failed)?;
        let node_id = client.status().await.map_err(failed)?.node_id;
        let p2p_address = format!("/ip4/127.0.0.1/tcp/{}", ports.p2p);
        Ok(Self { who, client, api_url, token_file, p2p_address, node_id })
    }

    /// What a failed request means.
    pub(super) fn failed(&self, what: &'static str) -> impl Fn(ClientError) -> Trouble + use<> {
        let who = self.who;
        move |source| Trouble::Node { who, what, source }
    }

    /// Asks for something that moves money; again with the same key while the outcome is unknown.
    pub(super) async fn once<T>(
        &self,
        what: &'static str,
        key: &str,
        ask: impl AsyncFn(&Client, &IdempotencyKey) -> Result<T, ClientError>,
    ) -> Result<T, Trouble> {
        let key = IdempotencyKey::new(key).expect("the demo's keys are short and visible");
        let mut attempt = 1;
        loop {
            match ask(&self.client, &key).await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.outcome() == Outcome::Unknown && attempt < ATTEMPTS_MAX => {
                    attempt += 1;
                }
                Err(error) => return Err(self.failed(what)(error)),
            }
        }
    }

    /// Makes payments of one amount and waits until they are irrevocable.
    pub(super) async fn pay(
        &self,
        key: &str,
        channel_id: &str,
        count: u32,
        amount_msat: u64,
    ) -> Result<(), Trouble> {
        let request = if count == 1 {
            PaymentRequest::single(channel_id.to_owned(), amount_msat)
        } else {
            let item = PaymentItem { amount_msat, reference: None };
            let count = usize::try_from(count).expect("memory holds a batch");
            PaymentRequest::batch(channel_id.to_owned(), vec![item; count])
        };
        let paid = self.once("pay", key, async |client, key| client.pay(key, &request).await);
        let paid = paid.await?;
        same("payments of a batch", count.into(), paid.count.into())?;
        let total_msat = u64::from(count).checked_mul(amount_msat).ok_or(Trouble::Overflow)?;
        same("millisatoshis of a batch", total_msat, paid.total_msat)
    }

    /// The channel as this node sees it.
    pub(super) async fn channel(&self, channel_id: &str) -> Result<Channel, Trouble> {
        self.client.channel(channel_id).await.map_err(self.failed("show the channel"))
    }

    /// Waits until the channel is in a phase; one that ended in another way is an error.
    pub(super) async fn channel_in(
        &self,
        channel_id: &str,
        phase: ChannelPhase,
        what: &'static str,
    ) -> Result<Channel, Trouble> {
        wait_until(what, SHOWN_WITHIN, async || {
            let channel = self.channel(channel_id).await?;
            let lost = [
                ChannelPhase::Abandoned,
                ChannelPhase::ForceClosing,
                ChannelPhase::DataLost,
                ChannelPhase::Unknown,
            ];
            if channel.phase == phase {
                Ok(Some(channel))
            } else if lost.contains(&channel.phase) {
                let (who, found) = (self.who, channel.phase);
                Err(Trouble::Channel { who, expect: phase, found })
            } else {
                Ok(None)
            }
        })
        .await
    }

    /// The place in the log at which the next event will stand.
    pub(super) async fn next_event(&self) -> Result<u64, Trouble> {
        let status = self.client.status().await.map_err(self.failed("tell its status"))?;
        Ok(status.log.head_seq.saturating_add(1))
    }

    /// All payments in the log, added up.
    pub(super) async fn history(&self) -> Result<History, Trouble> {
        let mut history = History::default();
        let mut from = 1;
        loop {
            let page = self.client.events_page(from, EVENT_PAGE_MAX).await;
            let page = page.map_err(self.failed("tell what happened"))?;
            for event in &page.events {
                history.add(&event.kind).ok_or(Trouble::Overflow)?;
            }
            if page.next_from <= from {
                return Ok(history);
            }
            from = page.next_from;
        }
    }

    /// Waits until every output of a channel is settled; returns the transaction that closed it.
    ///
    /// By the event stream, since a node lets go of a channel when it is over.
    pub(super) async fn resolved(&self, channel_id: &str, from: u64) -> Result<String, Trouble> {
        let mut events = self.client.follow_events(from);
        let told = async {
            let mut closed_by = String::new();
            loop {
                let event = events.next().await.map_err(self.failed("tell what happens"))?;
                if let EventKind::ChannelClosed { channel_id: id, closing_txid, .. } = &event.kind
                    && id == channel_id
                {
                    closed_by.clone_from(closing_txid);
                }
                if let EventKind::ChannelResolved { channel_id: id, .. } = &event.kind
                    && id == channel_id
                {
                    return Ok(closed_by);
                }
            }
        };
        let late = |_elapsed| Trouble::Late { what: "the channel's end", within: SHOWN_WITHIN };
        timeout(SHOWN_WITHIN, told).await.map_err(late)?
    }

    /// Waits until the wallet has read the chain up to a height and nothing in it is young or unconfirmed.
    pub(super) async fn settled_wallet(&self, height: u32) -> Result<WalletResponse, Trouble> {
        wait_until("a settled wallet", SHOWN_WITHIN, async || {
            let asked = self.client.wallet().await;
            let wallet = asked.map_err(self.failed("show its wallet"))?;
            let settled = wallet.tip_height >= height
                && wallet.immature_sat == 0
                && wallet.unconfirmed_sat == 0;
            Ok(settled.then_some(wallet))
        })
        .await
    }
}

impl History {
    /// Adds an event if it tells of payments; none beyond 64 bits.
    fn add(&mut self, event: &EventKind) -> Option<()> {
        if let EventKind::PaymentsSent { count, total_msat, .. } = event {
            self.sent = self.sent.plus(*count, *total_msat)?;
        }
        if let EventKind::PaymentsReceived { count, total_msat, .. } = event {
            self.received = self.received.plus(*count, *total_msat)?;
        }
        Some(())
    }
}

/// All coins of a wallet.
pub(super) fn coins_sat(wallet: &WalletResponse) -> Result<u64, Trouble> {
    let WalletResponse { confirmed_sat, unconfirmed_sat, immature_sat, .. } = *wallet;
    sum([confirmed_sat, unconfirmed_sat, immature_sat]).ok_or(Trouble::Overflow)
}

/// Compares two numbers that must be one.
pub(super) fn same(what: &'static str, expect: u64, found: u64) -> Result<(), Trouble> {
    if expect == found { Ok(()) } else { Err(Trouble::Differs { what, expect, found }) }
}

/// Looks again and again until there is something to see.
pub(super) async fn wait_until<T>(
    what: &'static str,
    within: Duration,
    look: impl AsyncFn() -> Result<Option<T>, Trouble>,
) -> Result<T, Trouble> {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        sleep(LOOK_EVERY).await;
    }
    Err(Trouble::Late { what, within })
}

/// Asks for the health of a node that may not listen yet.
async fn is_ready(who: Who, health: SocketAddr) -> Result<Option<()>, Trouble> {
    let request = Request::builder()
        .uri("/health/ready")
        .header(HOST, health.to_string())
        .body(Full::new(Bytes::new()))
        .expect("a socket address is a header value");
    match timeout(READY_WITHIN, http::exchange(health, request)).await {
        Ok(Ok((status, _causes))) => Ok((status == StatusCode::OK).then_some(())),
        Ok(Err(HttpError::Connect { .. })) | Err(_) => Ok(None),
        Ok(Err(source)) => Err(Trouble::Health { who, source }),
    }
}
