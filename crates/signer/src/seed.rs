//! The one seed of a node, the words it is written down as, and everything that is derived from it.
//!
//! | path | what |
//! |---|---|
//! | `m/86'/coin'/0'` | the on-chain wallet (BIP-0086) |
//! | `m/7276'/coin'/0'` | the node key |
//! | `m/7276'/coin'/1'` | the root of all channels' keys |
//!
//! The coin is 0 on the main network and 1 elsewhere. 7276 is a purpose (BIP-0043) that no BIP has taken.

use core::fmt;
use std::sync::Arc;

use bitcoin::bip32::{ChildNumber, DerivationPath, Fingerprint, Xpriv, Xpub};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use bitcoin::secp256k1::{All, Secp256k1};
use bitcoin::{Network, NetworkKind};
use strait_primitives::KeySalt;
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

use crate::channel_signer::ChannelSigner;
use crate::node_key::NodeKey;

/// BIP-0086's purpose.
const WALLET_PURPOSE: u32 = 86;
/// Our own purpose.
const STRAIT_PURPOSE: u32 = 7_276;
/// The node key's account.
const NODE_ACCOUNT: u32 = 0;
/// The channels' account.
const CHANNELS_ACCOUNT: u32 = 1;

/// Why a text is not a seed's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the words are not a BIP-0039 mnemonic of this wordlist and checksum")]
pub struct SeedWordsError {
    /// What is wrong with them.
    #[source]
    pub source: bip39::Error,
}

/// The words that a seed is written down as (BIP-0039, English). Erased when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SeedWords(bip39::Mnemonic);

impl SeedWords {
    /// Turns 256 bits of entropy into 24 words.
    #[must_use]
    pub fn generate(entropy: &Zeroizing<[u8; 32]>) -> Self {
        let words = bip39::Mnemonic::from_entropy(entropy.as_slice());
        Self(words.expect("256 bits are one of BIP-0039's sizes"))
    }

    /// Reads 12 to 24 words.
    ///
    /// # Errors
    /// [`SeedWordsError`] on a wrong count, word or checksum.
    pub fn parse(text: &str) -> Result<Self, SeedWordsError> {
        bip39::Mnemonic::parse_in(bip39::Language::English, text)
            .map(Self)
            .map_err(|source| SeedWordsError { source })
    }

    /// The words, for the one file or screen that may hold them.
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string())
    }
}

impl Drop for SeedWords {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SeedWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeedWords(hidden)")
    }
}

/// The public descriptors of the on-chain wallet: they find its coins and cannot spend them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletDescriptors {
    /// Addresses to receive at.
    pub external: String,
    /// Addresses for change.
    pub internal: String,
}

/// The seed of a node. Erased when dropped, never printed.
#[derive(Clone)]
pub struct Seed {
    /// The output of BIP-0039's key stretching.
    bytes: Zeroizing<[u8; 64]>,
    /// The network all keys are for.
    network: Network,
    /// What every channel's keys are hashed from.
    channels_root: Zeroizing<[u8; 32]>,
    /// Blinded once with a hash of the seed; every signer shares it.
    context: Arc<Secp256k1<All>>,
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(hidden)")
    }
}

impl Seed {
    /// Stretches the words, without passphrase, into the seed of a node on one network.
    #[must_use]
    pub fn new(words: &SeedWords, network: Network) -> Self {
        let bytes = Zeroizing::new(words.0.to_seed(""));
        let mut context = Secp256k1::new();
        let mut blinding = sha256::Hash::engine();
        blinding.input(b"strait/blinding");
        blinding.input(bytes.as_slice());
        let blinding = Zeroizing::new(sha256::Hash::from_engine(blinding).to_byte_array());
        context.seeded_randomize(&blinding);

        let mut seed = Self {
            bytes,
            network,
            channels_root: Zeroizing::new([0; 32]),
            context: Arc::new(context),
        };
        let mut channels = seed.account(STRAIT_PURPOSE, CHANNELS_ACCOUNT);
        seed.channels_root = Zeroizing::new(channels.private_key.secret_bytes());
        channels.private_key.non_secure_erase();
        seed
    }

    /// The network all keys are for.
    #[must_use]
    pub const fn network(&self) -> Network {
        self.network
    }

    /// The key that is the node's identity.
    #[must_use]
    pub fn node_key(&self) -> NodeKey {
        let account = self.account(STRAIT_PURPOSE, NODE_ACCOUNT);
        NodeKey::new(account.private_key, &self.context)
    }

    /// The signer of the channel with this salt.
    #[must_use]
    pub fn channel_signer(&self, salt: &KeySalt) -> ChannelSigner {
        ChannelSigner::new(&self.channels_root, salt, Arc::clone(&self.context))
    }

    /// The fingerprint of the master key and the public key of the wallet's account (BIP-0086, account 0): all that a
    /// watching wallet needs.
    #[must_use]
    pub fn wallet_account(&self) -> (Fingerprint, Xpub) {
        let account = self.account(WALLET_PURPOSE, 0);
        let fingerprint = self.master().fingerprint(&self.context);
        (fingerprint, Xpub::from_priv(&self.context, &account))
    }

    /// The wallet's public descriptors (BIP-0086, account 0).
    #[must_use]
    pub fn wallet_descriptors(&self) -> WalletDescriptors {
        let mut account = self.account(WALLET_PURPOSE, 0);
        let public = Xpub::from_priv(&self.context, &account);
        account.private_key.non_secure_erase();
        let fingerprint = self.fingerprint();
        let coin = self.coin();
        let descriptor = |keychain: u8| {
            format!("tr([{fingerprint}/{WALLET_PURPOSE}'/{coin}'/0']{public}/{keychain}/*)")
        };
        WalletDescriptors { external: descriptor(0), internal: descriptor(1) }
    }

    /// What key origins call the master key.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut master = self.master();
        let fingerprint = master.fingerprint(&self.context);
        master.private_key.non_secure_erase();
        fingerprint
    }

    /// The master key (BIP-0032).
    fn master(&self) -> Xpriv {
        Xpriv::new_master(self.network, self.bytes.as_slice())
            .expect("a seed whose master key is invalid has probability 2^-127")
    }

    /// The shared context.
    pub(crate) const fn context(&self) -> &Arc<Secp256k1<All>> {
        &self.context
    }

    /// A key below the master.
    pub(crate) fn derive(&self, path: &DerivationPath) -> Xpriv {
        let mut master = self.master();
        let derived = master
            .derive_priv(&self.context, path)
            .expect("an invalid child key has probability 2^-127");
        master.private_key.non_secure_erase();
        derived
    }

    /// The key at `m/purpose'/coin'/account'`.
    fn account(&self, purpose: u32, account: u32) -> Xpriv {
        let path = [purpose, self.coin(), account].map(|index| {
            ChildNumber::from_hardened_idx(index).expect("our indices are far below 2^31")
        });
        self.derive(&DerivationPath::from(path.as_slice()))
    }

    /// SLIP-0044's coin.
    fn coin(&self) -> u32 {
        match NetworkKind::from(self.network) {
            NetworkKind::Main => 0,
            NetworkKind::Test => 1,
        }
    }
}

#[cfg(test)]
mod tests;
