//! The ledger: who owns what in a channel, and the law of its change (protocol section 5).
//!
//! Both nodes hold the same ledger and compute the same next one from the same operations. **No rule here reads the
//! local tip, clock or policy**; what may differ between two nodes stays out.
//!
//! Every ledger conserves: balances + locks + collaterals = capacity, asserted after every change.

mod context;
mod contract;
mod digest;
mod error;
mod lock;
mod step;

use std::collections::BTreeMap;
use std::sync::Arc;

use strait_onchain::limits::LOCKS_PER_SIDE_MAX;
use strait_primitives::{BlockHeight, ContractId, LockId, MilliSats, Party, Sats};

pub use self::context::{Agreements, Contracts, RoundContext};
pub use self::contract::{Agreement, ContractChange, LiveContract};
pub use self::error::LedgerError;
pub use self::lock::{Lock, LockedOutput};
use crate::Pair;
use crate::party::channel_party;

/// The most locks in each direction, contracts' included: what a version-3 commitment of 10,000 vB holds with room.
pub const LOCKS_MAX: u16 = 90;
/// Outputs below this many satoshis are not made (the dust limit of the largest output kind, in satoshis).
pub const DUST_LIMIT: Sats = strait_onchain::limits::DUST_LIMIT;
/// Contracts' locks are ordered after payments' own, which no channel counts this far.
const CONTRACT_LOCK_IDS: u64 = 1 << 63;
/// The reserve is this part of the capacity.
const RESERVE_DIVISOR: u64 = 100;

const _: () =
    assert!(LOCKS_PER_SIDE_MAX == 90, "every ledger that the rules allow has a commitment");

/// What the ledger's rules depend on; fixed when the channel opens, equal on both nodes.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Rules {
    /// What each party must keep once it has had it.
    #[n(0)]
    pub reserve: MilliSats,
    /// The most locks in each direction, contracts' included.
    #[n(1)]
    pub locks_max: u16,
    /// The smallest lock.
    #[n(2)]
    pub lock_min: MilliSats,
    /// The most value that may stand in trimmed locks.
    #[n(3)]
    pub dust_exposure_max: MilliSats,
    /// The most locks in each direction that contracts' outcomes ask for, all together.
    #[n(4)]
    pub contract_locks_max: u16,
}

impl Rules {
    /// The reserve of a channel of this capacity: 1 %, never less than the dust limit.
    #[must_use]
    pub fn reserve_of(capacity: Sats) -> MilliSats {
        let part = capacity.to_millisats().to_msat() / RESERVE_DIVISOR;
        MilliSats::new(part)
            .expect("a part of an amount is an amount")
            .max(DUST_LIMIT.to_millisats())
    }
}

/// Who owns what.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Ledger {
    /// All the money in the channel; never changes.
    #[n(0)]
    capacity: MilliSats,
    /// What each party may spend.
    #[n(1)]
    balance: Pair<MilliSats>,
    /// Whether each party has ever had its reserve; from then on it must keep it.
    #[n(2)]
    reserve_reached: Pair<bool>,
    /// Live locks, by offerer and its number.
    #[n(3)]
    locks: BTreeMap<(Party, LockId), Lock>,
    /// The next lock number of each offerer.
    #[n(4)]
    next_lock: Pair<u64>,
    /// Live contracts. Shared, because consecutive ledgers mostly hold the same ones.
    #[cbor(n(5), with = "contract::map")]
    contracts: BTreeMap<ContractId, Arc<LiveContract>>,
    /// The height both have agreed to have seen.
    #[n(6)]
    height: BlockHeight,
}

impl Ledger {
    /// The ledger of commitment 0.
    ///
    /// # Panics
    /// If the contributions exceed all the money there is, which the opening has ruled out.
    #[must_use]
    pub fn open(contribution: Pair<Sats>, height: BlockHeight, rules: &Rules) -> Self {
        let balance = Pair {
            opener: contribution.opener.to_millisats(),
            acceptor: contribution.acceptor.to_millisats(),
        };
        let capacity = MilliSats::checked_sum([balance.opener, balance.acceptor])
            .expect("the opening checked that the capacity is an amount");
        let mut ledger = Self {
            capacity,
            balance,
            reserve_reached: Pair::default(),
            locks: BTreeMap::new(),
            next_lock: Pair::default(),
            contracts: BTreeMap::new(),
            height,
        };
        ledger.note_reserve(rules);
        ledger.assert_conserved();
        ledger
    }

    /// All the money in the channel.
    #[must_use]
    pub const fn capacity(&self) -> MilliSats {
        self.capacity
    }

    /// What `party` may spend, its reserve included.
    #[must_use]
    pub const fn balance(&self, party: Party) -> MilliSats {
        *self.balance.get(party)
    }

    /// What `party` may pay right now without touching its reserve.
    #[must_use]
    pub fn spendable(&self, party: Party, rules: &Rules) -> MilliSats {
        self.balance(party).saturating_sub(self.floor(party, rules))
    }

    /// Live locks with their offerers, in a fixed order.
    pub fn locks(&self) -> impl Iterator<Item = (Party, LockId, &Lock)> {
        self.locks.iter().map(|((offerer, id), lock)| (*offerer, *id, lock))
    }

    /// One live lock.
    #[must_use]
    pub fn lock(&self, offerer: Party, id: LockId) -> Option<&Lock> {
        self.locks.get(&(offerer, id))
    }

    /// The numbers of the locks that a party offers next.
    pub(crate) fn next_locks(&self, offerer: Party) -> impl Iterator<Item = LockId> + use<> {
        (*self.next_lock.get(offerer)..).map(LockId)
    }

    /// Live contracts, in a fixed order.
    pub fn contracts(&self) -> impl Iterator<Item = (ContractId, &LiveContract)> {
        self.contracts.iter().map(|(id, contract)| (*id, contract.as_ref()))
    }

    /// One live contract.
    #[must_use]
    pub fn contract(&self, id: &ContractId) -> Option<&LiveContract> {
        self.contracts.get(id).map(AsRef::as_ref)
    }

    /// Every lock that a commitment shows, contracts' included, in a fixed order.
    #[must_use]
    pub fn outputs_locked(&self) -> Vec<LockedOutput> {
        let mut all: Vec<LockedOutput> = self
            .locks()
            .map(|(offerer, id, lock)| LockedOutput {
                offerer,
                id,
                amount: lock.amount,
                payment_hash: lock.payment_hash,
                expiry: lock.expiry,
            })
            .collect();
        let asked = self.contracts.values().flat_map(|contract| &contract.outcome.locks);
        all.extend(asked.zip(CONTRACT_LOCK_IDS..).map(|(lock, id)| LockedOutput {
            offerer: channel_party(lock.offered_by),
            id: LockId(id),
            amount: lock.amount,
            payment_hash: lock.payment_hash,
            expiry: lock.expiry,
        }));
        all
    }

    /// True if only balances are in it: the state a cooperative close needs.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.locks.is_empty() && self.contracts.is_empty()
    }

    /// The height both have agreed to have seen.
    #[must_use]
    pub const fn height(&self) -> BlockHeight {
        self.height
    }

    /// What `party` would get if the channel were settled now: its balance and its part of every contract's outcome.
    ///
    /// # Panics
    /// If the parts exceed the capacity, which conservation rules out.
    #[must_use]
    pub fn settled_balance(&self, party: Party) -> MilliSats {
        let outcomes = self.contracts.values().map(|c| c.outcome_of(party));
        MilliSats::checked_sum(outcomes.chain([self.balance(party)]))
            .expect("a ledger's parts are at most its capacity")
    }

    fn floor(&self, party: Party, rules: &Rules) -> MilliSats {
        if *self.reserve_reached.get(party) { rules.reserve } else { MilliSats::ZERO }
    }

    fn note_reserve(&mut self, rules: &Rules) {
        for party in [Party::Opener, Party::Acceptor] {
            if self.balance(party) >= rules.reserve {
                *self.reserve_reached.entry(party) = true;
            }
        }
    }

    /// Asserts the one law: nothing appears and nothing vanishes.
    fn assert_conserved(&self) {
        let locked = self.locks.values().map(|lock| lock.amount);
        let pledged = self.contracts.values().map(|contract| contract.collateral());
        let all = MilliSats::checked_sum(
            locked.chain(pledged).chain([self.balance.opener, self.balance.acceptor]),
        );
        assert_eq!(all, Some(self.capacity), "a ledger must conserve its capacity");
    }
}

#[cfg(test)]
mod tests;
