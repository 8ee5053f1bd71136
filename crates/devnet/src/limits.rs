//! Every rule of consensus and policy that is a number, with its source.
//!
//! Policy follows the defaults of Bitcoin Core 31, because a transaction that only the devnet relays is of no use.

use strait_primitives::{FeeRate, VBytes};

/// Coinbase outputs can be spent so many blocks later (consensus).
pub(crate) const COINBASE_MATURITY_BLOCKS: u32 = 100;
/// Regtest halves the subsidy every so many blocks (consensus).
pub(crate) const SUBSIDY_HALVING_BLOCKS: u32 = 150;
/// The first subsidy (consensus).
pub(crate) const SUBSIDY_START_SAT: u64 = 50 * 100_000_000;
/// Blocks whose median is the time that locks are measured by (BIP-0113).
pub(crate) const MEDIAN_TIME_BLOCKS: usize = 11;
/// The largest block (BIP-0141).
pub(crate) const BLOCK_WEIGHT_MAX: u64 = 4_000_000;
/// Room for header and coinbase that block assembly leaves.
pub(crate) const BLOCK_WEIGHT_RESERVED: u64 = 8_000;
/// The most signature operations in a block (BIP-0141).
pub(crate) const BLOCK_SIGOPS_COST_MAX: u64 = 80_000;
/// Signature operations that block assembly leaves to the coinbase.
pub(crate) const BLOCK_SIGOPS_COST_RESERVED: u64 = 400;
/// Block assembly leaves out what pays less.
pub(crate) const BLOCK_FEE_RATE_MIN: FeeRate = FeeRate::from_sat_per_kvb(1);

/// A transaction or package below this rate is not relayed (`-minrelaytxfee`).
pub(crate) const RELAY_FEE_RATE_MIN: FeeRate = FeeRate::from_sat_per_kvb(100);
/// A replacement pays this rate for its own size on top (`-incrementalrelayfee`).
pub(crate) const INCREMENTAL_FEE_RATE: FeeRate = FeeRate::from_sat_per_kvb(100);
/// An output that costs more than its value to spend at this rate is dust (`-dustrelayfee`).
pub(crate) const DUST_FEE_RATE: FeeRate = FeeRate::from_sat_per_kvb(3_000);
/// Dust outputs a zero-fee transaction may carry.
pub(crate) const DUST_OUTPUTS_MAX: usize = 1;
/// The heaviest transaction that is relayed.
pub(crate) const STANDARD_WEIGHT_MAX: u64 = 400_000;
/// The smallest transaction, without witness, that is relayed (CVE-2017-12842).
pub(crate) const STANDARD_BASE_SIZE_MIN: usize = 65;
/// The most signature operations a relayed transaction may cost.
pub(crate) const STANDARD_SIGOPS_COST_MAX: u64 = BLOCK_SIGOPS_COST_MAX / 5;
/// Virtual bytes that one signature operation counts as, at least.
pub(crate) const BYTES_PER_SIGOP: u64 = 20;
/// The most signature operations in the script behind a script hash.
pub(crate) const STANDARD_NESTED_SIGOPS_MAX: usize = 15;
/// The longest signature script that is relayed.
pub(crate) const STANDARD_SCRIPT_SIG_BYTES_MAX: usize = 1_650;
/// The longest witness script of a relayed P2WSH spend.
pub(crate) const STANDARD_WITNESS_SCRIPT_BYTES_MAX: usize = 3_600;
/// The most stack items below the witness script.
pub(crate) const STANDARD_WITNESS_ITEMS_MAX: usize = 100;
/// The largest stack item of a P2WSH or tapscript spend.
pub(crate) const STANDARD_WITNESS_ITEM_BYTES_MAX: usize = 80;
/// The highest transaction version that is relayed.
pub(crate) const STANDARD_VERSION_MAX: i32 = 3;
/// All data outputs of a transaction together (`-datacarriersize`).
pub(crate) const DATA_CARRIER_BYTES_MAX: usize = 100_000;

/// The version that opts in to BIP-0431.
pub(crate) const TRUC_VERSION: i32 = 3;
/// The largest version-3 transaction.
pub(crate) const TRUC_SIZE_MAX: VBytes = VBytes(10_000);
/// The largest version-3 transaction with an unconfirmed parent.
pub(crate) const TRUC_CHILD_SIZE_MAX: VBytes = VBytes(1_000);
/// Transactions in a version-3 chain: one parent, one child.
pub(crate) const TRUC_CHAIN_MAX: usize = 2;

/// Transactions connected in the mempool (`-limitclustercount`).
pub(crate) const CLUSTER_TRANSACTIONS_MAX: usize = 64;
/// Their size together (`-limitclustersize`).
pub(crate) const CLUSTER_SIZE_MAX: VBytes = VBytes(101_000);
/// Clusters that one replacement may touch.
pub(crate) const REPLACED_CLUSTERS_MAX: usize = 100;
/// Transactions in a package.
pub(crate) const PACKAGE_TRANSACTIONS_MAX: usize = 25;
/// The heaviest package.
pub(crate) const PACKAGE_WEIGHT_MAX: u64 = 404_000;
/// A fee rate above this is taken for a slip of the hand, unless the caller says otherwise (0.1 BTC/kvB).
pub(crate) const CALLER_FEE_RATE_MAX: FeeRate = FeeRate::from_sat_per_kvb(10_000_000);

/// Blocks that one RPC call may mine: it holds the node's lock meanwhile.
pub(crate) const GENERATE_BLOCKS_MAX: u64 = 10_000;
/// The largest RPC request body.
pub(crate) const REQUEST_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Requests in one batch.
pub(crate) const BATCH_REQUESTS_MAX: usize = 1_000;

const _: () = assert!(BLOCK_WEIGHT_RESERVED < BLOCK_WEIGHT_MAX);
const _: () = assert!(TRUC_CHILD_SIZE_MAX.0 < TRUC_SIZE_MAX.0);
const _: () = assert!(TRUC_CHAIN_MAX <= CLUSTER_TRANSACTIONS_MAX);
