//! The configuration as it is written: nothing checked but its shape. The settings stand here, each with its default, its bounds
//! and its meaning; the book's page of settings is made from that.
//!
//! A meaning says what a setting does and what a careless value costs in each direction. It stands in the book, so it is
//! written for operators, in Markdown, with links as seen from `docs/`.

mod api;
mod chain;
mod channel;
mod locks;

use serde::{Deserialize, Serialize};
use strait_primitives::Sats;
use toml::Table;

pub(crate) use self::api::RawApi;
pub(crate) use self::chain::RawChain;
pub(crate) use self::channel::RawChannel;
pub(crate) use self::locks::RawLocks;
use crate::keys::Takes::{List, Path, SecretFile, Text};
use crate::keys::Unset::{InDataDir, Refused};
use crate::keys::number;
use crate::section::section;

/// All satoshis there will ever be.
const SUPPLY_SAT: u64 = Sats::MAX.to_sat();
const MIB: u64 = 1_024 * 1_024;
const GIB: u64 = 1_024 * MIB;
const PIB: u64 = 1_024 * 1_024 * GIB;

/// One text or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub(crate) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::More(texts) => texts,
        }
    }
}

fn everywhere() -> OneOrMore {
    OneOrMore::More(vec!["/ip4/0.0.0.0/tcp/9736".into(), "/ip4/0.0.0.0/udp/9736/quic-v1".into()])
}

impl RawConfig {
    /// The same as a table of TOML. What has no value is not in it.
    pub(crate) fn to_table(&self) -> Table {
        Table::try_from(self)
            .expect("it is a table of tables, and its numbers came out of TOML or are small")
    }
}

section! {
    /// What a node is, and where it is reached. These keys stand above the first section of the file.
    RawConfig "" {
        /// Where bitcoind or the devnet answers. Whoever answers decides what the node believes of the chain; a stranger could
        /// hide a revoked commitment. No password stands in it: that is in `chain.cookie_file`.
        rpc_url: Option<String> = None, Text("http://HOST:PORT"), Refused;
        /// Where peers connect: by default at port 9736 of every address, with TCP and QUIC. An empty list leaves outgoing
        /// connections only. Each address is a door for strangers.
        p2p_listen: OneOrMore = everywhere(),
            List("/ip4/ADDRESS/tcp/PORT or /ip4/ADDRESS/udp/PORT/quic-v1, or the same with ip6,");
        /// The log, the seed and the node's logs. Another folder is another node: your channels are not in it. Two copies of one
        /// folder must never run.
        data_dir: Option<String> = None, Path, Refused;
        /// How much is logged. More fills disks, less may leave out the cause of a failure. A file for each day, 14 are kept, and
        /// each stops at 128 MiB with a line that says so; the rest of that day is on standard error only.
        log_level: String = "info".into(),
            Text("error, warn, info, debug, trace or directives such as info,strait_net=debug");
        /// `/metrics` and `/health/…`, without a token, at `metrics.address`. 0 lets the system choose.
        metrics_port: u64 = 9738, number("a port", 0, 65_535);
    }
    and {
        api: RawApi,
        chain: RawChain,
        channel: RawChannel,
        locks: RawLocks,
        contracts: RawContracts,
        wallet: RawWallet,
        net: RawNet,
        store: RawStore,
        ship: RawShip,
        metrics: RawMetrics,
        telemetry: RawTelemetry,
    }
}

section! {
    /// What [contracts](contracts.md) the node takes part in.
    RawContracts "contracts." {
        /// Which modules may run. A module decides over its collateral: allow what you have read. `"added"` trusts everybody who
        /// holds a token that may add modules.
        allow: OneOrMore = OneOrMore::More(Vec::new()),
            List("\"added\", or module hashes of 64 hex digits,");
        /// What this node has in all contracts of one channel at most when it agrees to one that a peer offers: what faulty modules
        /// can lose there.
        collateral_sat_max: u64 = 10_000_000, number("sat", 0, SUPPLY_SAT);
    }
}

section! {
    /// The coins on the chain, and the seed of everything.
    RawWallet "wallet." {
        /// Made with mode 0600 when missing. It is all the money: keep a copy elsewhere.
        seed_file: Option<String> = None, SecretFile, InDataDir("seed");
        /// The seed file is encrypted with the one line of this file ([seed](seed.md)): who reads the disk alone has nothing, and
        /// who loses the passphrase has nothing either. Mode 0600; or owned by root and readable by its group, as Kubernetes and
        /// systemd mount secrets. Without it the seed lies in its file as it is.
        seed_passphrase_file: Option<String> = None, SecretFile;
        /// Used when the chain gives no estimate, but never less than bitcoind's mempool takes. Too low and transactions wait,
        /// too high and they waste.
        fee_rate_fallback_sat_per_kvb: u64 = 5_000,
            number("sat/kvB", 1_000, 10_000_000).not_above("wallet.fee_rate_sat_per_kvb_max");
        /// No estimate above it is believed, and a request that names more, or less than the 1000 that every node relays at, is
        /// refused. Only what is in a hurry on chain may pay more: it is bounded by what it saves. Too low, and a deadline may be
        /// missed.
        fee_rate_sat_per_kvb_max: u64 = 500_000, number("sat/kvB", 1_000, 10_000_000);
    }
}

section! {
    /// Limits towards peers, and how patiently they are dialled.
    RawNet "net." {
        /// Connections at a time. More is more memory for strangers to fill.
        peers_max: u64 = 256, number("connections", 1, 10_000);
        /// Bytes that may wait for one peer, each way; all peers together get sixteen times that, 1 GiB at most.
        queue_bytes_max: u64 = 4 * MIB, number("bytes", 2 * MIB, 256 * MIB);
        /// The pause after the first attempt to reach a peer that failed; each further one doubles it, and jitter takes up to half
        /// of it away. Shorter burdens a peer that is just starting.
        reconnect_ms: u64 = 1_000, number("ms", 10, 60_000);
        /// The longest pause between attempts to reach a peer with an open channel; they never end. Longer delays payments after
        /// an outage.
        reconnect_ms_max: u64 = 60_000, number("ms", 1_000, 3_600_000).not_below("net.reconnect_ms");
        /// Peers that are dialled at once; whoever was due first goes first. Fewer find a peer later when many are away, more take
        /// that many sockets when the node starts.
        dials_max: u64 = 256, number("dials", 1, 1_024);
        /// Connections of others that may be in their handshakes at once: over TCP, over QUIC, and again of hosts that a peer with
        /// a channel came from last. One host has four at most. Fewer are easier to use up, more cost that many key agreements in
        /// the same moment.
        handshakes_max: u64 = 64, number("connections", 1, 1_024);
        /// Connections that one IPv4 address, or 64 bits of an IPv6 one, may begin; loopback is exempt. More makes it cheaper to
        /// keep the node busy with handshakes.
        host_dials_per_second: u64 = 2, number("connections a second", 1, 65_536);
        /// So many at once after a pause. Peers behind one address, or a proxy, share it.
        host_dials_burst: u64 = 20, number("connections", 1, 65_536);
        /// What one peer may send in a second, after a quarter of it at once; one that is faster is read more slowly. Less holds up large
        /// rounds, more lets one peer take the node from the others.
        peer_bytes_per_second: u64 = 64 * MIB, number("bytes", MIB, 128_000_000);
        /// Likewise in messages; three make a round.
        peer_frames_per_second: u64 = 100_000, number("messages a second", 100, 1_000_000);
    }
}

section! {
    /// The log, and the disk that it lies on.
    RawStore "store." {
        /// How many events lie between two snapshots. Fewer writes more, more makes start-up longer.
        snapshot_every_events: u64 = 100_000, number("events", 1_000, 10_000_000);
        /// With more in the log's database, events that two snapshots cover are removed, oldest first, and the event stream
        /// begins later. Less forgets sooner what happened; more is what a peer that runs rounds without end can take of the
        /// disk. Channels, balances, keys of requests and what punishes old states are in the snapshots, and not forgotten with
        /// the events.
        history_bytes_max: u64 = 4 * GIB, number("bytes", 0, PIB);
        /// Below that much free space where `data_dir` lies the node begins nothing new, until a quarter more is free: no
        /// opening, payment, lock or contract. It still follows the chain, punishes, claims, closes and settles. 0 lets it go on
        /// until the disk is full, which ends it: then nobody punishes.
        free_bytes_min: u64 = GIB, number("bytes", 0, PIB);
    }
}

section! {
    /// The log in a second folder, [a moment after it is durable](recovery.md#the-shipped-log).
    RawShip "ship." {
        /// A folder outside of `data_dir` that every event goes to as well. It must be there, best inside the mount of another
        /// disk: the node never makes it, so that a disk that is not mounted is missed. On the same disk it helps against nothing
        /// but a slip of the hand, and `ship` is degraded. Whoever reads it sees every payment, unless it is sealed.
        folder: Option<String> = None, Path;
        /// How often the log is looked at. Longer loses more when the disk dies, shorter syncs more often.
        every_ms: u64 = 200, number("ms", 10, 60_000);
        /// Whose identities open what is shipped. None: it is not sealed. The identity belongs on no machine that runs.
        recipients: OneOrMore = OneOrMore::More(Vec::new()),
            List("an age recipient as `age-keygen` prints it, age1…,");
    }
}

section! {
    /// Where [metrics and health](metrics.md) are read.
    RawMetrics "metrics." {
        /// The address that `metrics_port` is bound at. Reachable by strangers it tells them balances and load.
        address: String = "127.0.0.1".into(), Text("an IP address such as 127.0.0.1");
    }
}

section! {
    /// [Traces](observability.md#traces) of requests and rounds.
    RawTelemetry "telemetry." {
        /// Where an OpenTelemetry collector takes traces by OTLP over HTTP (port 4318 as a rule); the path `/v1/traces` is added.
        /// Needs a program that was built with the feature `otel`: without it the node does not start, and says so. Whoever
        /// reads the traces learns which channels moved when, not what they moved. Without a collector, spans show only as the
        /// context of lines at `debug`.
        otlp_endpoint: Option<String> = None, Text("http://HOST:PORT");
        /// How many of a thousand requests and rounds are traced; a request whose `traceparent` says that its caller traces it
        /// always is, unless this is 0. More costs time and the collector's disk, 0 leaves nothing to look at.
        trace_sample_permille: u64 = 10, number("‰", 0, 1_000);
    }
}
