//! Real servers for tests: a throwaway bitcoind on regtest and a devnet on a free port, both gone when dropped.
//!
//! Only ever a dev-dependency, but for `load`, which is a tool itself. Everything here panics with a reason instead of returning errors, because a test that
//! cannot have its server has failed.
//!
//! ```no_run
//! let Some(bitcoind) = strait_testkit::Bitcoind::start() else { return };
//! let height = bitcoind.rpc("getblockcount", serde_json::json!([])).expect("a fresh node answers");
//! assert_eq!(height, 0);
//! ```

mod bitcoind;
mod devnet;
mod rpc;

pub use bitcoind::{BITCOIND_EXE, Bitcoind};
pub use devnet::TestDevnet;
pub use rpc::{Rpc, RpcFailure};
