//! A customer of `pay_per_call`: calls, pays when it is told to, and calls again.
//!
//! It shows the one rule for whoever moves money: a key for each intention, made before the first attempt, and the same key
//! until the outcome is known. `docs/tutorial.md` walks through it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use strait_api_types::PaymentRequest;
use strait_client::{Client, IdempotencyKey, Outcome};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How often one payment is asked for, and one call made.
const ATTEMPTS_MAX: u32 = 10;
/// The pause before asking again.
const PAUSE: Duration = Duration::from_secs(1);

/// Calls a service that wants to be paid.
#[derive(Debug, Parser)]
struct Options {
    /// Base URL of the customer's node.
    #[arg(long, default_value = "http://127.0.0.1:9737")]
    node: String,
    /// File with that node's token.
    #[arg(long)]
    token_file: PathBuf,
    /// Where the service answers: HOST:PORT.
    #[arg(long, default_value = "127.0.0.1:8080")]
    service: String,
    /// The channel to the service's node.
    #[arg(long)]
    channel: String,
    /// What to pay at once when the credit is used up.
    #[arg(long, default_value_t = 10_000)]
    top_up_msat: u64,
    /// The number to square.
    number: u32,
}

// ANCHOR: pay
/// Pays once, however often it has to ask.
async fn pay(client: &Client, channel: &str, amount_msat: u64) -> Result<()> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).context("no entropy for a key")?;
    let key = IdempotencyKey::new(hex::encode(random)).context("hex is visible ASCII")?;
    let request = PaymentRequest::single(channel.to_owned(), amount_msat);
    for _ in 0..ATTEMPTS_MAX {
        match client.pay(&key, &request).await {
            Ok(_) => return Ok(()),
            Err(error) => match error.outcome() {
                Outcome::Refused | Outcome::NotSent => return Err(error.into()),
                // It may have been paid: ask again, with the same key.
                Outcome::NotReached | Outcome::Unknown => sleep(PAUSE).await,
            },
        }
    }
    bail!("nobody says what became of the payment: ask again with the key {}", key.as_str())
}
// ANCHOR_END: pay

/// One call of the service.
async fn call(options: &Options) -> Result<(StatusCode, String)> {
    let stream = TcpStream::connect(&options.service).await.context("the service is away")?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(format!("/square/{}", options.number))
        .header("host", &options.service)
        .header("x-channel", &options.channel)
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).trim().to_owned()))
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the answer is what the caller wants to see")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let token = fs::read_to_string(&options.token_file).context("the token cannot be read")?;
    let client = Client::new(&options.node, token.trim())?;
    let (mut status, mut answer) = call(&options).await?;
    if status == StatusCode::PAYMENT_REQUIRED {
        pay(&client, &options.channel, options.top_up_msat).await?;
    }
    // The service hears of the payment from its own node, a moment later.
    for _ in 0..ATTEMPTS_MAX {
        if status != StatusCode::PAYMENT_REQUIRED {
            break;
        }
        sleep(PAUSE / 10).await;
        (status, answer) = call(&options).await?;
    }
    if status != StatusCode::OK {
        bail!("the service says {status}: {answer}");
    }
    println!("{answer}");
    Ok(())
}
