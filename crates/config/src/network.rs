//! The Bitcoin networks, by the names that the configuration has for them.

/// The Bitcoin network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// Real money.
    Mainnet,
    /// The fourth public test network.
    Testnet4,
    /// A test network with signed blocks.
    Signet,
    /// A private chain that makes blocks on demand.
    Regtest,
}

impl Network {
    /// All networks.
    pub(crate) const ALL: [Self; 4] = [Self::Mainnet, Self::Testnet4, Self::Signet, Self::Regtest];

    /// The network as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet4 => "testnet4",
            Self::Signet => "signet",
            Self::Regtest => "regtest",
        }
    }
}
