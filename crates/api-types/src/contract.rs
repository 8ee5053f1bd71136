//! `/v1/contracts`: modules, and contracts that live in channels.

use serde::{Deserialize, Serialize};

use crate::ChannelRole;

/// A WebAssembly module the node holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Module {
    /// SHA-256 of the module in hex.
    pub module_hash: String,
    /// Its length.
    pub size_bytes: u64,
}

/// Modules the node holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModuleList {
    /// The modules, by hash.
    pub modules: Vec<Module>,
}

/// Limits of a contract; both sides agree to them, and an absent one takes the node's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContractLimits {
    /// Fuel of one call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel_per_call: Option<u64>,
    /// Memory of an instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u32>,
    /// Size of the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_bytes: Option<u32>,
}

/// Asks for a contract in a channel. Answered when its opening is irrevocable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenContractRequest {
    /// The channel, in hex.
    pub channel_id: String,
    /// SHA-256 of the module, in hex; both nodes must hold it.
    pub module_hash: String,
    /// The module's parameters, in hex; absent means none.
    #[serde(default)]
    pub params_hex: String,
    /// What the side that opened the **channel** puts in, whichever side opens the contract: this node if it opened the channel,
    /// the peer if the peer did.
    pub collateral_opener_msat: u64,
    /// What the side that accepted the channel puts in.
    #[serde(default)]
    pub collateral_acceptor_msat: u64,
    /// Limits of the contract; absent means the node's defaults.
    #[serde(default)]
    pub limits: ContractLimits,
}

/// Where a contract is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum ContractPhase {
    /// Terms are offered; the other side has not agreed yet.
    Offered,
    /// It holds collateral and takes actions.
    Open,
    /// Its collateral went back as its outcome said.
    Settled,
    /// Its channel was closed by force; the chain settles its outcome.
    OnChain,
    /// A phase this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// A contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Contract {
    /// The contract's id in hex, 32 bytes.
    pub contract_id: String,
    /// Its channel, in hex.
    pub channel_id: String,
    /// SHA-256 of its module, in hex.
    pub module_hash: String,
    /// Which side of the **channel** this node is: which of the two collaterals is its own. Either side may have opened the
    /// contract.
    pub role: ChannelRole,
    /// Where it is in its life.
    pub phase: ContractPhase,
    /// What the side that opened the channel put in.
    pub collateral_opener_msat: u64,
    /// What the side that accepted the channel put in.
    pub collateral_acceptor_msat: u64,
    /// What its present outcome gives this node.
    pub outcome_holder_msat: u64,
    /// What its present outcome gives the other node.
    pub outcome_counterparty_msat: u64,
    /// Number of the commitment that holds its present state.
    pub commitment_number: u64,
    /// Its present state, in hex.
    pub state_hex: String,
}

/// Contracts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContractList {
    /// The contracts, by id; settled ones included.
    pub contracts: Vec<Contract>,
}

/// One action (`action_hex`) or several in order (`actions_hex`), all or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActRequest {
    /// One action, in hex; excludes `actions_hex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_hex: Option<String>,
    /// At most 1,024 actions, in hex; excludes `action_hex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions_hex: Option<Vec<String>>,
}

impl ActRequest {
    /// Asks for one action.
    #[must_use]
    pub const fn single(action_hex: String) -> Self {
        Self { action_hex: Some(action_hex), actions_hex: None }
    }

    /// Asks for several actions, in order.
    #[must_use]
    pub const fn batch(actions_hex: Vec<String>) -> Self {
        Self { action_hex: None, actions_hex: Some(actions_hex) }
    }
}

/// The actions are irrevocable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActResponse {
    /// The contract, in hex.
    pub contract_id: String,
    /// The commitment that holds the new state.
    pub commitment_number: u64,
    /// How many actions.
    pub count: u32,
}

/// The contract is settled, irrevocably.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettleResponse {
    /// The contract, in hex.
    pub contract_id: String,
    /// The commitment that no longer holds it.
    pub commitment_number: u64,
    /// What came back to this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder_msat: Option<u64>,
    /// What came back to the other node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterparty_msat: Option<u64>,
}
