//! Which coins are ours: one BIP-0086 account, its two branches and where they are on which chain.

use std::fmt;
use std::str::FromStr;

use bdk_wallet::descriptor::DescriptorPublicKey;
use bdk_wallet::miniscript::Descriptor;
use bdk_wallet::miniscript::descriptor::{DescriptorXKey, Wildcard};
use bitcoin::bip32::{ChildNumber, DerivationPath, Fingerprint, Xpub};
use bitcoin::constants::genesis_block;
use bitcoin::{BlockHash, Network, NetworkKind};
use strait_primitives::BlockHeight;
use thiserror::Error;

/// BIP-0043 purpose of taproot key-path accounts (BIP-0086).
const PURPOSE: u32 = 86;

/// Why an extended public key is not the account of this network.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The key was made for the other kind of network.
    #[error("the account key is for {actual:?} networks, the node runs on {network}")]
    Network {
        /// The node's network.
        network: Network,
        /// The kind the key says it is for.
        actual: NetworkKind,
    },
    /// The key is not at `m/86'/coin'/0'`.
    #[error(
        "the account key is at depth {depth}, child {child}; an account is at depth 3, child 0'"
    )]
    Place {
        /// Derivations below the master key.
        depth: u8,
        /// The last derivation.
        child: ChildNumber,
    },
}

/// Why a text is not an address that money can be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No address at all.
    #[error("not a bitcoin address")]
    Syntax(#[source] bitcoin::address::ParseError),
    /// An address of another network.
    #[error("the address is not one of the {network} network")]
    OtherNetwork {
        /// The wallet's network.
        network: Network,
    },
}

/// A taproot account by its public half: `tr([fingerprint/86'/coin'/0']xpub/…)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The chain that the coins live on.
    network: Network,
    /// Of the master key, so that a signer knows its own inputs.
    fingerprint: Fingerprint,
    /// The key at `m/86'/coin'/0'`.
    xpub: Xpub,
}

/// A place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockPoint {
    /// How many blocks lie below.
    pub height: BlockHeight,
    /// Which block.
    pub hash: BlockHash,
}

impl fmt::Display for BlockPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} at height {}", self.hash, self.height)
    }
}

/// The two chains of addresses of an account.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
#[cbor(index_only)]
pub enum Branch {
    /// Addresses given to others (`…/0/*`).
    #[n(0)]
    Receive,
    /// Addresses of our own change (`…/1/*`).
    #[n(1)]
    Change,
}

/// The place of an address within its branch: the last step of its derivation.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
#[cbor(transparent)]
pub struct AddressIndex(#[n(0)] pub u32);

/// Addresses watched beyond the last one handed out, on each branch.
///
/// The log remembers what was handed out, so this matters only to a wallet that starts again from the seed
/// alone: coins further beyond the last used address than this are not found. Each costs a key derivation at
/// start-up. The log remembers the gap that a wallet began with.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, minicbor::Encode, minicbor::Decode,
)]
#[cbor(transparent)]
pub struct AddressGap(#[n(0)] pub u32);

impl AddressGap {
    /// Enough for a node that hands out addresses to some tens of peers between two payments.
    pub const DEFAULT: Self = Self(100);

    /// For a wallet that starts again from the seed alone, and may have had so many channels at once.
    ///
    /// Each channel keeps an address to be paid at when it ends, so as many addresses in a row may be unused as channels
    /// live at once, and as many again were promised to openings that came to nothing. Never below 2,500.
    #[must_use]
    pub fn seed_alone(channels_max: usize) -> Self {
        const LEAST: u32 = 2_500;
        let twice = u32::try_from(channels_max.saturating_mul(2)).unwrap_or(u32::MAX >> 2);
        Self(twice.max(LEAST))
    }
}

impl Account {
    /// Takes the public key at `m/86'/coin'/0'` and the fingerprint of the master key above it.
    ///
    /// # Errors
    /// [`AccountError`] if the key belongs to another network or another place of the tree.
    pub fn new(
        network: Network,
        fingerprint: Fingerprint,
        xpub: Xpub,
    ) -> Result<Self, AccountError> {
        if xpub.network != NetworkKind::from(network) {
            return Err(AccountError::Network { network, actual: xpub.network });
        }
        let first = ChildNumber::Hardened { index: 0 };
        if xpub.depth != 3 || xpub.child_number != first {
            return Err(AccountError::Place { depth: xpub.depth, child: xpub.child_number });
        }
        Ok(Self { network, fingerprint, xpub })
    }

    /// The chain that the coins live on.
    #[must_use]
    pub const fn network(&self) -> Network {
        self.network
    }

    /// The fingerprint of the master key above the account.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The first block of that chain.
    #[must_use]
    pub fn genesis(&self) -> BlockPoint {
        let hash = genesis_block(self.network).block_hash();
        BlockPoint { height: BlockHeight::new(0), hash }
    }

    /// The output descriptor of one branch.
    pub(crate) fn descriptor(&self, branch: Branch) -> Descriptor<DescriptorPublicKey> {
        let coin = match NetworkKind::from(self.network) {
            NetworkKind::Main => 0,
            NetworkKind::Test => 1,
        };
        let step = match branch {
            Branch::Receive => 0,
            Branch::Change => 1,
        };
        let hardened = [PURPOSE, coin, 0].map(|index| ChildNumber::Hardened { index });
        let key = DescriptorPublicKey::XPub(DescriptorXKey {
            origin: Some((self.fingerprint, DerivationPath::from(hardened.to_vec()))),
            xkey: self.xpub,
            derivation_path: DerivationPath::from(vec![ChildNumber::Normal { index: step }]),
            wildcard: Wildcard::Unhardened,
        });
        Descriptor::new_tr(key, None).expect("a key alone is a valid taproot descriptor")
    }
}

impl<C> minicbor::Encode<C> for Account {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(3)?
            .str(&self.network.to_string())?
            .bytes(self.fingerprint.as_bytes())?
            .bytes(&self.xpub.encode())?
            .ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Account {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let position = d.position();
        if d.array()? != Some(3) {
            return Err(minicbor::decode::Error::message("an account has three parts").at(position));
        }
        let network = Network::from_str(d.str()?).map_err(minicbor::decode::Error::custom)?;
        let fingerprint =
            Fingerprint::try_from(d.bytes()?).map_err(minicbor::decode::Error::custom)?;
        let xpub = Xpub::decode(d.bytes()?).map_err(minicbor::decode::Error::custom)?;
        Self::new(network, fingerprint, xpub).map_err(minicbor::decode::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::bip32::Xpriv;
    use bitcoin::secp256k1::Secp256k1;
    use bitcoin::{Address, ScriptBuf};

    use super::*;

    /// Root key of the test vectors in BIP-0086 ("abandon … about").
    const ROOT: &str = "xprv9s21ZrQH143K3GJpoapnV8SFfukcVBSfeCficPSGfubmSFDxo1kuHnLisriDvSnRRuL2Qrg5ggqHKNVpxR86QEC8w35uxmGoggxtQTPvfUu";

    fn at(path: &str) -> (Fingerprint, Xpub) {
        let secp = Secp256k1::new();
        let root = Xpriv::from_str(ROOT).unwrap();
        let key = root.derive_priv(&secp, &DerivationPath::from_str(path).unwrap()).unwrap();
        (root.fingerprint(&secp), Xpub::from_priv(&secp, &key))
    }

    #[test]
    fn addresses_are_those_of_bip_0086() {
        let (fingerprint, xpub) = at("m/86'/0'/0'");
        let account = Account::new(Network::Bitcoin, fingerprint, xpub).unwrap();
        let check = |branch, index, address: &str| {
            let definite = account.descriptor(branch).at_derivation_index(index).unwrap();
            let expect = Address::from_str(address).unwrap().assume_checked();
            assert_eq!(definite.script_pubkey(), ScriptBuf::from(expect));
        };
        check(Branch::Receive, 0, "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr");
        check(Branch::Receive, 1, "bc1p4qhjn9zdvkux4e44uhx8tc55attvtyu358kutcqkudyccelu0was9fqzwh");
        check(Branch::Change, 0, "bc1p3qkhfews2uk44qtvauqyr2ttdsw7svhkl9nkm9s9c3x4ax5h60wqwruhk7");
    }

    #[test]
    fn a_key_of_another_network_or_place_is_no_account() {
        let (fingerprint, xpub) = at("m/86'/0'/0'");
        assert_eq!(
            Account::new(Network::Regtest, fingerprint, xpub),
            Err(AccountError::Network { network: Network::Regtest, actual: NetworkKind::Main })
        );
        let (fingerprint, xpub) = at("m/86'/0'");
        assert!(matches!(
            Account::new(Network::Bitcoin, fingerprint, xpub),
            Err(AccountError::Place { depth: 2, .. })
        ));
    }
}
