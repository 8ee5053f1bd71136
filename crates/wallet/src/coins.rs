//! What the wallet owns: addresses, coins, sums.

use std::str::FromStr;

use bdk_wallet::chain::{CanonicalizationParams, ConfirmationBlockTime, FullTxOut};
use bdk_wallet::miniscript::DefiniteDescriptorKey;
use bdk_wallet::miniscript::Descriptor;
use bdk_wallet::miniscript::psbt::{PsbtInputExt, PsbtOutputExt};
use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, OutPoint, Script, ScriptBuf, TxOut, Txid, psbt};
use strait_primitives::{BlockHeight, Sats};

use crate::account::{AddressError, AddressIndex, Branch};
use crate::holds::Purpose;
use crate::{Wallet, WalletChange};

/// An output of the wallet on the best chain, or on its way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coin {
    /// Its name.
    pub outpoint: OutPoint,
    /// Its value and script.
    pub txout: TxOut,
    /// The branch its address is on.
    pub branch: Branch,
    /// The place of its address on that branch.
    pub index: AddressIndex,
    /// The block that holds it; none while it is on its way.
    pub confirmed_at: Option<BlockHeight>,
}

/// All unspent coins, each in exactly one sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// Mined, mature and free to be spent.
    pub confirmed: Sats,
    /// On its way: change of our own transactions, and what a reorganisation has unsettled.
    pub pending: Sats,
    /// Mined, but set aside for an opening or a fee.
    pub reserved: Sats,
    /// Mined by a coinbase that may not be spent yet.
    pub immature: Sats,
}

impl Coin {
    /// Its value.
    ///
    /// # Panics
    /// Never for a coin that the wallet returned: no block is connected that creates more than all the money.
    #[must_use]
    pub fn value(&self) -> Sats {
        Sats::new(self.txout.value.to_sat()).expect("no transaction with more is taken in")
    }
}

impl Balance {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Sats {
        sum([self.confirmed, self.pending, self.reserved, self.immature])
    }
}

/// The sum, or all the money there is: only a chain that mints at will gets there.
pub(crate) fn sum(amounts: impl IntoIterator<Item = Sats>) -> Sats {
    Sats::checked_sum(amounts).unwrap_or(Sats::MAX)
}

impl Wallet {
    /// Hands out an address that was not handed out before.
    pub fn next_address(&mut self) -> (Address, WalletChange) {
        let (_, script, change) = self.reveal(Branch::Receive);
        let address = Address::from_script(&script, self.account.network())
            .expect("a taproot output has an address");
        (address, change)
    }

    /// Reads an address of the wallet's network; the script is what to pay to.
    ///
    /// # Errors
    /// [`AddressError`] if it is none, or one of another network.
    pub fn parse_address(&self, text: &str) -> Result<ScriptBuf, AddressError> {
        let network = self.account.network();
        Address::<NetworkUnchecked>::from_str(text)
            .map_err(AddressError::Syntax)?
            .require_network(network)
            .map(|address| address.script_pubkey())
            .map_err(|_| AddressError::OtherNetwork { network })
    }

    /// True if the script is of an address that the wallet watches.
    #[must_use]
    pub fn owns_script(&self, script: &Script) -> bool {
        self.graph.index.index_of_spk(script.to_owned()).is_some()
    }

    /// The sums of all unspent coins.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let tip = self.tip().height.to_u32();
        let mut balance = Balance::default();
        for (place, output) in self.outputs() {
            if output.spent_by.is_some() {
                continue;
            }
            let slot = if output.chain_position.is_unconfirmed() {
                &mut balance.pending
            } else if !output.is_mature(tip) {
                &mut balance.immature
            } else if self.holds.holder(&output.outpoint).is_some() {
                &mut balance.reserved
            } else {
                &mut balance.confirmed
            };
            *slot = sum([*slot, coin(place, output).value()]);
        }
        balance
    }

    /// Coins that are mined, mature, unspent and not set aside, in order of their outpoints.
    #[must_use]
    pub fn confirmed_coins(&self) -> Vec<Coin> {
        let tip = self.tip().height.to_u32();
        let mut coins: Vec<Coin> = self
            .outputs()
            .into_iter()
            .filter(|(_, output)| {
                output.spent_by.is_none()
                    && output.chain_position.is_confirmed()
                    && output.is_mature(tip)
                    && self.holds.holder(&output.outpoint).is_none()
            })
            .map(|(place, output)| coin(place, output))
            .collect();
        coins.sort_unstable_by_key(|coin| coin.outpoint);
        coins
    }

    /// One output of the wallet, spent or not, held or not; `None` if no counted transaction creates it.
    #[must_use]
    pub fn coin(&self, outpoint: OutPoint) -> Option<Coin> {
        self.outputs()
            .into_iter()
            .find(|(_, output)| output.outpoint == outpoint)
            .map(|(place, output)| coin(place, output))
    }

    /// What a transaction pays the wallet in coins that are on their way and free.
    #[must_use]
    pub fn coming_from(&self, txid: Txid) -> Vec<Sats> {
        let outputs = self.outputs().into_iter().filter(|(_, output)| {
            output.outpoint.txid == txid
                && output.spent_by.is_none()
                && output.chain_position.is_unconfirmed()
                && self.holds.holder(&output.outpoint).is_none()
        });
        outputs.map(|(place, output)| coin(place, output).value()).collect()
    }

    /// What a signer needs to know to spend an output of the wallet; `None` if it is not ours.
    ///
    /// Witness output, taproot internal key, and the derivation of that key.
    #[must_use]
    pub fn psbt_input(&self, outpoint: OutPoint) -> Option<psbt::Input> {
        let ((branch, index), txout) = self.graph.index.txout(outpoint)?;
        let mut input = psbt::Input { witness_utxo: Some(txout.clone()), ..Default::default() };
        input
            .update_with_descriptor_unchecked(&self.definite(branch, AddressIndex(index)))
            .expect("every key of a watched branch can be derived");
        Some(input)
    }

    /// What a signer's screen needs to know to recognise an output as our own change.
    pub(crate) fn psbt_output(&self, script: &Script) -> psbt::Output {
        let mut output = psbt::Output::default();
        if let Some(&(branch, index)) = self.graph.index.index_of_spk(script.to_owned()) {
            output
                .update_with_descriptor_unchecked(&self.definite(branch, AddressIndex(index)))
                .expect("every key of a watched branch can be derived");
        }
        output
    }

    /// Every output of ours on counted transactions, with who spends it.
    pub(crate) fn outputs(&self) -> Vec<((Branch, u32), FullTxOut<ConfirmationBlockTime>)> {
        self.graph
            .graph()
            .filter_chain_txouts(
                &self.chain,
                self.chain.tip().block_id(),
                CanonicalizationParams::default(),
                self.graph.index.outpoints().iter().copied(),
            )
            .collect()
    }

    /// The script that [`Wallet::address_for`] would give, without promising it: nothing changes.
    #[must_use]
    pub fn peek_address_for(&self, purpose: Purpose) -> ScriptBuf {
        if let Some(index) = self.holds.change.get(&purpose) {
            return self.definite(Branch::Change, *index).script_pubkey();
        }
        if let Some((_, script)) = self.unpromised_change() {
            return script;
        }
        let (next, _) =
            self.graph.index.next_index(Branch::Change).expect("both branches are in the index");
        self.definite(Branch::Change, AddressIndex(next)).script_pubkey()
    }

    /// The address of a purpose, on the change branch: the same each time until it is released. One that was given up
    /// before anything was paid to it is promised again, so that openings that come to nothing use up no addresses.
    pub fn address_for(&mut self, purpose: Purpose) -> (ScriptBuf, WalletChange) {
        if let Some(index) = self.holds.change.get(&purpose) {
            let script = self.definite(Branch::Change, *index).script_pubkey();
            return (script, WalletChange::default());
        }
        let (index, script, mut change) = self.fresh_change();
        self.holds.change.insert(purpose, index);
        change.change_of.insert(purpose, Some(index));
        (script, change)
    }

    /// A change address that no transaction pays and no purpose was promised, so that given-up ones come back.
    pub(crate) fn fresh_change(&mut self) -> (AddressIndex, ScriptBuf, WalletChange) {
        match self.unpromised_change() {
            Some((index, script)) => (index, script, WalletChange::default()),
            None => self.reveal(Branch::Change),
        }
    }

    fn unpromised_change(&self) -> Option<(AddressIndex, ScriptBuf)> {
        self.graph
            .index
            .unused_keychain_spks(Branch::Change)
            .map(|(index, script)| (AddressIndex(index), script))
            .find(|(index, _)| !self.holds.change.values().any(|promised| promised == index))
    }

    fn reveal(&mut self, branch: Branch) -> (AddressIndex, ScriptBuf, WalletChange) {
        let ((index, script), added) =
            self.graph.index.reveal_next_spk(branch).expect("both branches are in the index");
        let revealed = self.revealed(&added);
        assert_eq!(revealed.get(&branch), Some(&AddressIndex(index)), "each address is new");
        (AddressIndex(index), script, WalletChange { revealed, ..WalletChange::default() })
    }

    fn definite(&self, branch: Branch, index: AddressIndex) -> Descriptor<DefiniteDescriptorKey> {
        self.account
            .descriptor(branch)
            .at_derivation_index(index.0)
            .expect("the index hands out unhardened numbers only")
    }
}

/// Our form of an output.
pub(crate) fn coin(
    (branch, index): (Branch, u32),
    output: FullTxOut<ConfirmationBlockTime>,
) -> Coin {
    let confirmed_at =
        output.chain_position.confirmation_height_upper_bound().map(BlockHeight::new);
    let FullTxOut { outpoint, txout, .. } = output;
    Coin { outpoint, txout, branch, index: AddressIndex(index), confirmed_at }
}
