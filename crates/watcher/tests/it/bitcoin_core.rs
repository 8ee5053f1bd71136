//! The chain of a real bitcoind: what is mined on it, and what it takes into its mempool.

use std::collections::BTreeMap;

use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::transaction::Version;
use bitcoin::{Amount, Block, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};
use serde_json::{Value, json};
use strait_primitives::BlockHeight;
use strait_testkit::Bitcoind;

/// Whom blocks pay: anybody.
const ANYBODY: &str = "raw(51)";
/// Whom blocks of a reorganisation pay: the same block again would be refused.
const ANYBODY_ELSE: &str = "raw(52)";
/// What the first coinbases pay.
const SUBSIDY: Amount = Amount::from_sat(5_000_000_000);
/// What each child may spend on fees.
const CHILD_COIN: Amount = Amount::from_sat(20_000);
/// What a child pays for its commitment and itself.
const CHILD_FEE: Amount = Amount::from_sat(5_000);

pub(crate) struct Core {
    bitcoind: Bitcoind,
    /// Coinbases spent so far.
    spent: u32,
}

impl Core {
    /// `None` where no bitcoind is named.
    pub(crate) fn start() -> Option<Self> {
        let core = Self { bitcoind: Bitcoind::start()?, spent: 0 };
        core.call("generatetodescriptor", json!([110, ANYBODY]));
        Some(core)
    }

    fn call(&self, method: &str, params: Value) -> Value {
        self.bitcoind.rpc(method, params).unwrap_or_else(|failure| panic!("{method}: {failure:?}"))
    }

    pub(crate) fn tip(&self) -> BlockHeight {
        let count = self.call("getblockcount", json!([])).as_u64().unwrap();
        BlockHeight::new(u32::try_from(count).unwrap())
    }

    pub(crate) fn block(&self, height: BlockHeight) -> Block {
        let hash = self.call("getblockhash", json!([height.to_u32()]));
        deserialize_hex(self.call("getblock", json!([hash, 0])).as_str().unwrap()).unwrap()
    }

    /// Mines so many equal outputs and a coin for each one's child; the transaction has all of them, in pairs.
    pub(crate) fn fund(&mut self, count: usize, output: &TxOut) -> Transaction {
        self.spent += 1;
        let coinbase = self.block(BlockHeight::new(self.spent)).txdata.remove(0);
        let coin = TxOut { value: CHILD_COIN, script_pubkey: open_script().to_p2wsh() };
        let mut outputs = vec![output.clone(); count];
        outputs.extend(vec![coin; count]);
        let paid: Amount = outputs.iter().map(|output| output.value).sum();
        assert!(paid <= SUBSIDY, "{count} channels");
        let funding = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![spending(OutPoint::new(coinbase.compute_txid(), 0), Witness::new())],
            output: outputs,
        };
        self.mine_only(core::slice::from_ref(&funding), ANYBODY);
        funding
    }

    /// Mines one block of what waits.
    pub(crate) fn mine(&self) {
        self.call("generatetodescriptor", json!([1, ANYBODY]));
    }

    /// Mines one block of exactly these.
    pub(crate) fn mine_only(&self, transactions: &[Transaction], to: &str) {
        let all: Vec<String> = transactions.iter().map(serialize_hex).collect();
        self.call("generateblock", json!([to, all]));
    }

    pub(crate) fn mine_empty(&self) {
        self.mine_only(&[], ANYBODY_ELSE);
    }

    /// Loses the last blocks.
    pub(crate) fn disconnect(&self, count: u32) {
        let lowest = self.tip().to_u32() - count + 1;
        let hash = self.call("getblockhash", json!([lowest]));
        self.call("invalidateblock", json!([hash]));
    }

    /// Offers a transaction to the mempool; says why it is refused. One that is there or mined is not refused.
    pub(crate) fn offer(&self, transaction: &Transaction) -> Result<(), String> {
        match self.bitcoind.rpc("sendrawtransaction", json!([serialize_hex(transaction), 0])) {
            Ok(_) => Ok(()),
            Err(failure) if failure.message.contains("already in") => Ok(()),
            Err(failure) => Err(failure.message),
        }
    }

    /// Offers a commitment with the child that pays for both; says why they are refused.
    pub(crate) fn offer_package(&self, package: &[Transaction; 2]) -> Result<(), String> {
        let all: Vec<String> = package.iter().map(serialize_hex).collect();
        let answer = self.call("submitpackage", json!([all, 0]));
        match answer["package_msg"].as_str() {
            Some("success") => Ok(()),
            _ => Err(answer.to_string()),
        }
    }

    /// What lies at each script on the best chain, from a height on.
    pub(crate) fn values_from(&self, height: BlockHeight) -> BTreeMap<ScriptBuf, u64> {
        let mut coins: BTreeMap<OutPoint, TxOut> = BTreeMap::new();
        for height in height.to_u32()..=self.tip().to_u32() {
            for transaction in self.block(BlockHeight::new(height)).txdata {
                for input in &transaction.input {
                    coins.remove(&input.previous_output);
                }
                let txid = transaction.compute_txid();
                let places = (0..).map(|vout| OutPoint::new(txid, vout));
                coins.extend(places.zip(transaction.output));
            }
        }
        let mut values = BTreeMap::new();
        for coin in coins.into_values() {
            *values.entry(coin.script_pubkey).or_default() += coin.value.to_sat();
        }
        values
    }
}

/// The child of a commitment: it spends the anchor and the coin that was mined for it.
pub(crate) fn child_of(commitment: &Transaction, coin: OutPoint) -> Transaction {
    child_paying(commitment, coin, CHILD_FEE, 1)
}

/// A child that pays so much and has so many outputs, all but one of the least value that nodes pass on.
pub(crate) fn child_paying(
    commitment: &Transaction,
    coin: OutPoint,
    fee: Amount,
    outputs: usize,
) -> Transaction {
    let is_anchor = |output: &TxOut| output.script_pubkey.as_bytes() == [0x51, 0x02, 0x4e, 0x73];
    let place = commitment.output.iter().position(is_anchor).unwrap();
    let anchor = OutPoint::new(commitment.compute_txid(), u32::try_from(place).unwrap());
    let least = Amount::from_sat(330);
    let rest = u64::try_from(outputs - 1).unwrap();
    let value = commitment.output[place].value + CHILD_COIN - fee - least * rest;
    let output = |value| TxOut { value, script_pubkey: open_script().to_p2wsh() };
    let mut output_list = vec![output(least); outputs - 1];
    output_list.push(output(value));
    let opened = Witness::from_slice(&[open_script().as_bytes()]);
    Transaction {
        version: Version::non_standard(3),
        lock_time: LockTime::ZERO,
        input: vec![spending(anchor, Witness::new()), spending(coin, opened)],
        output: output_list,
    }
}

fn spending(previous_output: OutPoint, witness: Witness) -> TxIn {
    TxIn {
        previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness,
    }
}

/// What anybody may open.
fn open_script() -> ScriptBuf {
    ScriptBuf::from_bytes(vec![0x51])
}
