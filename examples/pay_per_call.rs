//! A service that sells calls: whoever has paid over a channel may call until the money is used up.
//!
//! It runs beside a node, reads the node's events to learn who has paid, and answers `GET /square/N` over HTTP for a price.
//! A customer is a channel: the header `X-Channel` says which one. `docs/tutorial.md` walks through it.
//!
//! **Invariant:** what was paid is counted once, and what was used is on disk before the answer leaves.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use clap::Parser;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use strait_api_types::{Event, EventKind};
use strait_client::Client;
use tokio::net::TcpListener;

/// The header in which a caller names its channel.
const CHANNEL_HEADER: &str = "x-channel";

/// Sells calls to whoever has paid over a channel of a node.
#[derive(Debug, Parser)]
struct Options {
    /// Base URL of the node's REST interface.
    #[arg(long, default_value = "http://127.0.0.1:9737")]
    node: String,
    /// File with the node's token; one that may only read is enough.
    #[arg(long)]
    token_file: PathBuf,
    /// Where to answer calls.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where to keep what was paid and used.
    #[arg(long)]
    book: PathBuf,
    /// The price of a call.
    #[arg(long, default_value_t = 1_000)]
    price_msat: u64,
}

/// What one customer has paid and used.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
struct Account {
    paid_msat: u64,
    used_msat: u64,
}

impl Account {
    const fn credit_msat(self) -> u64 {
        self.paid_msat.saturating_sub(self.used_msat)
    }
}

/// All accounts, and how far the node's events are counted in them: both change together.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Book {
    /// The place of the next event to count.
    next_from: u64,
    /// By channel.
    accounts: BTreeMap<String, Account>,
}

impl Book {
    // ANCHOR: count
    /// Counts a payment. Returns whether there was one.
    fn count(&mut self, event: &Event) -> bool {
        let EventKind::PaymentsReceived { channel_id, total_msat, .. } = &event.kind else {
            return false;
        };
        let account = self.accounts.entry(channel_id.clone()).or_default();
        account.paid_msat = account.paid_msat.saturating_add(*total_msat);
        self.next_from = event.seq.saturating_add(1);
        true
    }
    // ANCHOR_END: count

    // ANCHOR: charge
    /// Takes the price of a call from a channel's credit; returns the credit if that is too little.
    fn charge(&mut self, channel_id: &str, price_msat: u64) -> Result<(), u64> {
        let missing = Account::default();
        let credit_msat = self.accounts.get(channel_id).unwrap_or(&missing).credit_msat();
        match self.accounts.get_mut(channel_id) {
            Some(account) if credit_msat >= price_msat => {
                account.used_msat = account.used_msat.saturating_add(price_msat);
                Ok(())
            }
            Some(_) | None => Err(credit_msat),
        }
    }
    // ANCHOR_END: charge
}

/// The book and where it lies.
struct Till {
    path: PathBuf,
    price_msat: u64,
    book: Mutex<Book>,
}

impl Till {
    /// Opens the book; a new one counts what is paid from now on.
    async fn open(path: PathBuf, price_msat: u64, client: &Client) -> Result<Self> {
        let book = if path.exists() {
            serde_json::from_slice(&fs::read(&path)?).context("the book cannot be read")?
        } else {
            let head = client.status().await?.log.head_seq;
            let book = Book { next_from: head.saturating_add(1), ..Book::default() };
            replace(&path, &serde_json::to_vec(&book)?)?;
            book
        };
        Ok(Self { path, price_msat, book: Mutex::new(book) })
    }

    /// Changes the book, and saves it if `change` says so.
    fn with<T>(&self, change: impl FnOnce(&mut Book) -> (T, Save)) -> Result<T> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, save) = change(&mut book);
        if let Save::Yes = save {
            replace(&self.path, &serde_json::to_vec(&*book)?)?;
        }
        Ok(value)
    }

    /// What the caller gets for its money.
    fn answer(&self, request: &Request<Incoming>) -> Result<(StatusCode, String)> {
        let number = request.uri().path().strip_prefix("/square/");
        let Some(number) = number.and_then(|text| text.parse::<u32>().ok()) else {
            return Ok((StatusCode::NOT_FOUND, "ask for /square/N".into()));
        };
        let channel = request.headers().get(CHANNEL_HEADER).and_then(|value| value.to_str().ok());
        let channel = channel.unwrap_or_default();
        let paid = self.with(|book| match book.charge(channel, self.price_msat) {
            Ok(()) => (Ok(()), Save::Yes),
            Err(credit_msat) => (Err(credit_msat), Save::No),
        })?;
        Ok(match paid {
            Ok(()) => (StatusCode::OK, u64::from(number).pow(2).to_string()),
            Err(credit_msat) => (StatusCode::PAYMENT_REQUIRED, self.bill(credit_msat)),
        })
    }

    /// What a caller without credit is told.
    fn bill(&self, credit_msat: u64) -> String {
        let price_msat = self.price_msat;
        serde_json::json!({ "price_msat": price_msat, "credit_msat": credit_msat }).to_string()
    }
}

/// Whether a change is to be saved.
enum Save {
    Yes,
    No,
}

/// Replaces a file as a whole: after a crash there is the old one or the new one.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh).context("the book cannot be written")?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path).context("the book cannot be replaced")
}

/// Reads the node's events for ever, from where the book ends.
async fn collect(client: Client, till: Arc<Till>) -> Result<()> {
    let from = till.with(|book| (book.next_from, Save::No))?;
    let mut events = client.follow_events(from);
    loop {
        let event = events.next().await?;
        till.with(|book| if book.count(&event) { ((), Save::Yes) } else { ((), Save::No) })?;
    }
}

/// Answers calls for ever.
async fn serve(listener: TcpListener, till: Arc<Till>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let till = Arc::clone(&till);
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let (status, body) = till.answer(&request).unwrap_or_else(|error| {
                    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}"))
                });
                let mut response = Response::new(Full::new(Bytes::from(body + "\n")));
                *response.status_mut() = status;
                async { Ok::<_, Infallible>(response) }
            });
            // A caller that hangs up is no concern of ours.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let token = fs::read_to_string(&options.token_file).context("the token cannot be read")?;
    let client = Client::new(&options.node, token.trim())?;
    let till = Arc::new(Till::open(options.book, options.price_msat, &client).await?);
    let listener = TcpListener::bind(options.listen).await?;
    tokio::select! {
        ended = collect(client, Arc::clone(&till)) => ended,
        ended = serve(listener, till) => ended,
    }
}
