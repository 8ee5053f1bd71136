//! Two servers to run the same test on, coins to spend there, and transactions that need no signature.

use std::sync::Arc;
use std::time::Duration;

use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::opcodes::all::OP_PUSHNUM_1;
use bitcoin::script::Builder;
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, Block, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness,
};
use serde_json::{Value, json};
use strait_chain::{Policies, PolicySettings};
use strait_chain_bitcoind::{Auth, BitcoindSource, Options};
use strait_testkit::{Bitcoind, Rpc, RpcFailure, TestDevnet};

/// The usual policies, with so much time for a call.
pub(crate) fn patient(timeout: Duration) -> Arc<Policies> {
    Arc::new(Policies::new(PolicySettings { timeout, ..PolicySettings::default() }, 0))
}

/// One server under test.
pub(crate) enum Server {
    Devnet(TestDevnet),
    Bitcoind(Bitcoind),
}

impl Server {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Devnet(_) => "devnet",
            Self::Bitcoind(_) => "bitcoind",
        }
    }

    pub(crate) fn client(&self) -> Rpc {
        match self {
            Self::Devnet(server) => server.client(),
            Self::Bitcoind(server) => server.client(),
        }
    }

    pub(crate) fn options(&self) -> Options {
        let (rpc_url, auth) = match self {
            Self::Devnet(server) => (
                server.rpc_url(),
                Auth::UserPassword {
                    user: server.user().into(),
                    password: server.password().into(),
                },
            ),
            Self::Bitcoind(server) => {
                (server.rpc_url(), Auth::CookieFile(server.cookie_file().into()))
            }
        };
        Options {
            rpc_url,
            auth: Some(auth),
            network: Network::Regtest,
            policies: patient(Duration::from_secs(60)),
        }
    }

    pub(crate) fn source(&self) -> BitcoindSource {
        BitcoindSource::new(&self.options()).unwrap()
    }
}

/// Runs a test on every server there is.
pub(crate) fn on_each_server(test: impl Fn(&Server)) {
    if let Some(bitcoind) = Bitcoind::start() {
        test(&Server::Bitcoind(bitcoind));
    }
    test(&Server::Devnet(TestDevnet::start()));
}

/// A coin and how to spend it.
#[derive(Debug, Clone)]
pub(crate) struct Coin {
    pub(crate) outpoint: OutPoint,
    pub(crate) value: Amount,
    pub(crate) height: u32,
    pub(crate) witness: Witness,
}

/// The witness script that anyone satisfies.
pub(crate) fn open_script() -> ScriptBuf {
    Builder::new().push_opcode(OP_PUSHNUM_1).into_script()
}

/// The output script of a witness script.
pub(crate) fn wsh(witness_script: &ScriptBuf) -> ScriptBuf {
    ScriptBuf::new_p2wsh(&witness_script.wscript_hash())
}

/// The witness that satisfies [`open_script`].
pub(crate) fn open_witness() -> Witness {
    Witness::from_slice(&[open_script().as_bytes()])
}

/// The pay-to-anchor script.
pub(crate) fn anchor_script() -> ScriptBuf {
    ScriptBuf::from_bytes(vec![0x51, 0x02, 0x4e, 0x73])
}

/// An output.
pub(crate) fn output(sat: u64, script_pubkey: ScriptBuf) -> TxOut {
    TxOut { value: Amount::from_sat(sat), script_pubkey }
}

/// An output anyone can spend.
pub(crate) fn open_output(sat: u64) -> TxOut {
    output(sat, wsh(&open_script()))
}

/// A transaction of this version that spends coins into outputs.
pub(crate) fn spend(version: i32, coins: &[&Coin], output: Vec<TxOut>) -> Transaction {
    let input = coins.iter().map(|coin| TxIn {
        previous_output: coin.outpoint,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: coin.witness.clone(),
    });
    Transaction {
        version: Version::non_standard(version),
        lock_time: LockTime::ZERO,
        input: input.collect(),
        output,
    }
}

/// A transaction that spends one coin into one open output and pays this fee.
pub(crate) fn pay(version: i32, coin: &Coin, fee_sat: u64) -> Transaction {
    let kept = coin.value.to_sat().checked_sub(fee_sat).unwrap();
    spend(version, &[coin], vec![open_output(kept)])
}

/// An output of a transaction as a coin, unconfirmed.
pub(crate) fn coin_of(transaction: &Transaction, vout: usize) -> Coin {
    let output = &transaction.output[vout];
    let is_open = output.script_pubkey == wsh(&open_script());
    Coin {
        outpoint: OutPoint { txid: transaction.compute_txid(), vout: u32::try_from(vout).unwrap() },
        value: output.value,
        height: 0,
        witness: if is_open { open_witness() } else { Witness::new() },
    }
}

/// A server with coins.
pub(crate) struct Stage {
    pub(crate) rpc: Rpc,
    mature: Vec<Coin>,
}

impl Stage {
    /// Mines until this many open coins of 50 bitcoin can be spent.
    pub(crate) fn new(rpc: Rpc, coins: usize) -> Self {
        let mut stage = Self { rpc, mature: Vec::new() };
        let hashes = stage.mine(coins);
        for (height, hash) in (1_u32..).zip(hashes) {
            let hex = stage.rpc.call("getblock", json!([hash, 0])).unwrap();
            let bytes = bitcoin::hex::FromHex::from_hex(hex.as_str().unwrap());
            let bytes: Vec<u8> = bytes.unwrap();
            let block: Block = bitcoin::consensus::deserialize(&bytes).unwrap();
            stage.mature.push(Coin { height, ..coin_of(&block.txdata[0], 0) });
        }
        stage.mine(100);
        stage
    }

    /// Mines blocks to the open script.
    pub(crate) fn mine(&self, blocks: usize) -> Vec<String> {
        self.mine_to(&wsh(&open_script()), blocks)
    }

    /// Mines blocks to a script. After `invalidateblock` it has to be another one: bitcoind would build the very
    /// block again that it was told to refuse.
    pub(crate) fn mine_to(&self, script: &ScriptBuf, blocks: usize) -> Vec<String> {
        let descriptor = format!("raw({})", script.to_hex_string());
        let answer = self.rpc.call("generatetodescriptor", json!([blocks, descriptor])).unwrap();
        answer.as_array().unwrap().iter().map(|hash| hash.as_str().unwrap().into()).collect()
    }

    /// The next unspent coin.
    pub(crate) fn coin(&mut self) -> Coin {
        self.mature.pop().expect("the stage was made with enough coins")
    }

    /// A coin whose output script is this, confirmed in a block of its own.
    pub(crate) fn coin_with(&mut self, script: ScriptBuf, witness: Witness) -> Coin {
        let funding = self.coin();
        let sat = 100_000_000;
        let rest = funding.value.to_sat() - sat - 1_000;
        let outputs = vec![output(sat, script), open_output(rest)];
        let transaction = spend(2, &[&funding], outputs);
        let payout = format!("raw({})", wsh(&open_script()).to_hex_string());
        let hex = serialize_hex(&transaction);
        self.rpc.call("generateblock", json!([payout, [hex]])).unwrap();
        let height = self.height();
        Coin { height, witness, ..coin_of(&transaction, 0) }
    }

    pub(crate) fn height(&self) -> u32 {
        let height = self.rpc.call("getblockcount", json!([])).unwrap();
        u32::try_from(height.as_u64().unwrap()).unwrap()
    }

    pub(crate) fn median_time(&self) -> u32 {
        let info = self.rpc.call("getblockchaininfo", json!([])).unwrap();
        u32::try_from(info["mediantime"].as_u64().unwrap()).unwrap()
    }

    pub(crate) fn send(&self, transaction: &Transaction) -> Result<Value, RpcFailure> {
        self.rpc.call("sendrawtransaction", json!([serialize_hex(transaction), 0]))
    }
}
