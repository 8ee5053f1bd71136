//! What a bitcoind answers, or whoever sits in its place: the adapter's questions against a server that says what the bytes
//! say.
//!
//! The server listens on loopback, for the adapter knows no other way in; one thread, one answer for each request.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, Network, OutPoint};
use strait_chain::{ChainSource as _, FEE_RATE_FLOOR, FeeAnswer, Policies, PolicySettings};
use strait_chain_bitcoind::{Auth, BitcoindSource, Options};
use strait_primitives::{BlockDelta, BlockHeight};

/// Longer than any answer on loopback takes; nothing is measured by it.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What is still to be answered.
static ANSWERS: Mutex<VecDeque<Vec<u8>>> = Mutex::new(VecDeque::new());
/// Where the server listens.
static SERVER: LazyLock<String> = LazyLock::new(start);

/// By the first byte, asks one question; the lines after it are the answers to the requests it takes. What the adapter takes
/// for an answer has the form that it promises.
///
/// # Panics
/// If that promise is broken.
pub fn bitcoind_answer(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
    *ANSWERS.lock().unwrap_or_else(PoisonError::into_inner) = lines.collect();
    let options = Options {
        rpc_url: SERVER.clone(),
        auth: Some(Auth::UserPassword { user: "user".into(), password: "password".into() }),
        network: Network::Regtest,
        policies: Arc::new(Policies::new(
            PolicySettings { timeout: TIMEOUT, ..PolicySettings::default() },
            0,
        )),
    };
    let mut source = BitcoindSource::new(&options).expect("a sound URL");
    ask(&mut source, *choice);
}

fn ask(source: &mut BitcoindSource, choice: u8) {
    let hash = BlockHash::from_byte_array([7; 32]);
    let genesis = bitcoin::constants::genesis_block(Network::Regtest);
    match choice % 11 {
        0 => drop(source.self_test()),
        1 => drop(source.tip()),
        2 => {
            if let Ok(found) = source.header(genesis.block_hash()) {
                assert_eq!(found.header.block_hash(), genesis.block_hash(), "what was asked for");
            }
        }
        3 => drop(source.block_hash_at(BlockHeight::new(9))),
        4 => drop(source.block(hash)),
        5 => {
            let submitted = genesis.txdata.clone();
            if let Ok(outcome) = source.submit(&submitted) {
                assert_eq!(outcome.transactions.len(), submitted.len(), "an outcome for each");
            }
        }
        6 => {
            let outpoint = OutPoint::null();
            if let Ok(found) = source.mempool_spends(&[outpoint]) {
                let spends = |transaction: &bitcoin::Transaction| {
                    transaction.input.iter().any(|input| input.previous_output == outpoint)
                };
                assert!(found.iter().all(spends), "only what spends the output");
            }
        }
        7 => drop(source.mempool_transactions()),
        8 => drop(source.unspent(OutPoint::null())),
        9 => {
            let Ok(answer) = source.estimate_fee(BlockDelta::new(6)) else { return };
            let (FeeAnswer::Estimate(rate) | FeeAnswer::Unknown { least: rate }) = answer;
            assert!(rate >= FEE_RATE_FLOOR, "no rate lies below the floor");
        }
        _ => drop(source.download()),
    }
}

/// Starts the server and tells its URL.
fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || drop(serve(&stream)));
        }
    });
    format!("http://{address}")
}

/// Answers the requests of one connection. A line that begins with `!` or `?` is an answer of another status.
fn serve(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or_default();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        (&mut reader).take(length).read_to_end(&mut Vec::new())?;
        let answer = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let answer = answer.unwrap_or_default();
        let (status, body) = match answer.split_first() {
            Some((b'!', body)) => ("500 Internal Server Error", body),
            Some((b'?', body)) => ("503 Service Unavailable", body),
            _ => ("200 OK", answer.as_slice()),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut whole = head.into_bytes();
        whole.extend_from_slice(body);
        (&*stream).write_all(&whole)?;
    }
}
