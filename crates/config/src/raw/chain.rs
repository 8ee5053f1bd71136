//! `[chain]`, as it is written.

use crate::keys::Takes::{SecretFile, Text};
use crate::keys::Unset::Refused;
use crate::keys::number;
use crate::section::section;

section! {
    /// The view of the chain, and how patient the node is with bitcoind.
    RawChain "chain." {
        /// Nobody should meet real money by leaving a line out. A backend on another network is refused.
        network: Option<String> = None, Text("regtest, signet, testnet4 or mainnet"), Refused;
        /// Holds `user:password` for the RPC, as bitcoind writes it. Without it none is sent.
        cookie_file: Option<String> = None, SecretFile;
        /// How often the node asks for new blocks. Longer delays the answer to a revoked commitment, shorter burdens bitcoind.
        poll_interval_ms: u64 = 1_000, number("ms", 100, 60_000);
        /// How long after a poll is due node and bitcoind may not have agreed on the best block before the node says that it is
        /// not ready. Longer hides that revoked commitments go unseen, shorter takes the node out of service when bitcoind is merely
        /// busy.
        unready_after_ms: u64 = 30_000, number("ms", 1_000, 600_000);
        /// How long one call to bitcoind may take. Shorter gives up on large blocks from a busy disk, longer keeps the chain's
        /// thread waiting for one that hangs.
        timeout_ms: u64 = 30_000, number("ms", 1_000, 600_000);
        /// Looks at the chain that fail in a row before the longest wait.
        retry_attempts_max: u64 = 5, number("attempts", 1, 255);
        /// The wait after the first of them; it doubles with each, and jitter takes up to half. A new transaction, or a stop, ends
        /// a wait.
        retry_delay_ms: u64 = 1_000, number("ms", 10, 60_000);
        /// The longest wait. Longer notices later that bitcoind is back. Transactions are tried every `chain.poll_interval_ms` all
        /// the same.
        retry_delay_max_ms: u64 = 32_000, number("ms", 10, 600_000).not_below("chain.retry_delay_ms");
        /// The share of failed calls from which on bitcoind is left alone; 0 never does. Calls that bitcoind refuses count as
        /// answered.
        breaker_failure_percent: u64 = 50, number("%", 0, 100);
        /// Among how many of the last calls that share is counted. Fewer let chance stop the calls, more notice an outage later.
        breaker_calls_min: u64 = 10, number("calls", 1, 32);
        /// How long bitcoind is left alone, but for transactions, before one call tries again. Longer notices later that it is
        /// back, shorter burdens it while it recovers.
        breaker_open_ms: u64 = 30_000, number("ms", 100, 600_000);
        /// Blocks after which what the chain did is final; a channel is forgotten six blocks later, 12 at least. Fewer trusts a
        /// chain that may still reorganise, more keeps finished channels in memory for longer.
        confirmations: u64 = 6, number("blocks", 1, 144);
    }
}
