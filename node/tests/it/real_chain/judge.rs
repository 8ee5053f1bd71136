//! A second bitcoind that has the same blocks and none of the unconfirmed transactions: asked about a transaction, it
//! judges it as any node of the network would that sees it for the first time.

use serde_json::{Value, json};
use strait_testkit::{Bitcoind, Rpc};

/// A bitcoind that only ever gets blocks.
#[derive(Debug)]
pub(crate) struct Judge {
    bitcoind: Bitcoind,
}

impl Judge {
    /// Starts it.
    pub(crate) fn start() -> Self {
        Self { bitcoind: Bitcoind::start().unwrap() }
    }

    /// Gives it the blocks of the chain that it has not got.
    pub(crate) fn learn(&self, chain: &Rpc) {
        let count = |value: Value| value.as_u64().unwrap();
        let known = count(self.bitcoind.rpc("getblockcount", json!([])).unwrap());
        let tip = count(chain.call("getblockcount", json!([])).unwrap());
        for height in known + 1..=tip {
            let hash = chain.call("getblockhash", json!([height])).unwrap();
            let block = chain.call("getblock", json!([hash, 0])).unwrap();
            assert_eq!(self.bitcoind.rpc("submitblock", json!([block])), Ok(Value::Null));
        }
    }

    /// Asserts that it would take this transaction alone.
    pub(crate) fn accepts(&self, transaction: &str) {
        let verdict = self.bitcoind.rpc("testmempoolaccept", json!([[transaction]])).unwrap();
        assert_eq!(verdict[0]["allowed"], true, "{verdict}");
    }

    /// Asserts that it refuses this transaction alone, for this reason.
    pub(crate) fn refuses(&self, transaction: &str, reason: &str) {
        let verdict = self.bitcoind.rpc("testmempoolaccept", json!([[transaction]])).unwrap();
        assert_eq!(verdict[0]["allowed"], false, "{verdict}");
        let said = verdict[0]["reject-reason"].as_str().unwrap();
        assert!(said.contains(reason), "{said} instead of {reason}");
    }

    /// Asserts that it takes a parent and its child together.
    pub(crate) fn accepts_package(&self, parent: &str, child: &str) {
        let verdict = self.bitcoind.rpc("submitpackage", json!([[parent, child]])).unwrap();
        assert_eq!(verdict["package_msg"], "success", "{verdict}");
    }
}
