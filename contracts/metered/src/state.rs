//! The rules: how a state changes and what it is worth.

use alloc::vec::Vec;

use strait_contract_sdk::{
    Call, Collateral, Contract, Division, Finality, Party, Reader, Refusal, Writer,
};

use crate::{Action, Params};

/// The contract.
#[derive(Debug)]
pub struct Metered;

/// What is remembered between two calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// What was agreed.
    pub params: Params,
    /// What each party put in.
    pub collateral: Collateral,
    /// Calls paid for so far.
    pub calls: u64,
    /// What they cost so far, less refunds, in millisatoshis; never above the cap.
    pub spent_msat: u64,
    /// Whether the contract has ended.
    pub finality: Finality,
}

impl State {
    /// Reads a state; `None` if these bytes are none that the contract wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let params = Params::read(&mut reader)?;
        let collateral = Collateral { first_msat: reader.u64()?, second_msat: reader.u64()? };
        let calls = reader.u64()?;
        let spent_msat = reader.u64()?;
        let finality = match reader.u8()? {
            0 => Finality::Open,
            1 => Finality::Final,
            _ => return None,
        };
        reader.finish()?;
        Some(Self { params, collateral, calls, spent_msat, finality })
    }

    /// The state in bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let closed = match self.finality {
            Finality::Open => 0,
            Finality::Final => 1,
        };
        self.params
            .write(Writer::new())
            .u64(self.collateral.first_msat)
            .u64(self.collateral.second_msat)
            .u64(self.calls)
            .u64(self.spent_msat)
            .u8(closed)
            .into_bytes()
    }

    fn act(&mut self, who: Party, action: Action) -> Result<(), Refusal> {
        if self.finality == Finality::Final {
            return Err(Refusal::new(10, "the contract is closed"));
        }
        let customer = self.params.customer;
        match action {
            Action::Use { calls } if who == customer => self.charge(calls),
            Action::Use { .. } => Err(Refusal::new(11, "only the customer pays")),
            Action::Refund { amount_msat } if who == customer.other() => self.refund(amount_msat),
            Action::Refund { .. } => Err(Refusal::new(12, "only the service gives back")),
            Action::Close => {
                self.finality = Finality::Final;
                Ok(())
            }
        }
    }

    fn charge(&mut self, calls: u32) -> Result<(), Refusal> {
        let over = || Refusal::new(13, "the cap is reached");
        let price_msat = self.params.price_msat(self.calls, calls.into()).ok_or_else(over)?;
        let spent_msat = self.spent_msat.checked_add(price_msat).ok_or_else(over)?;
        if spent_msat > self.params.cap_msat {
            return Err(over());
        }
        self.spent_msat = spent_msat;
        self.calls = self.calls.checked_add(calls.into()).ok_or_else(over)?;
        Ok(())
    }

    fn refund(&mut self, amount_msat: u64) -> Result<(), Refusal> {
        self.spent_msat = self
            .spent_msat
            .checked_sub(amount_msat)
            .ok_or_else(|| Refusal::new(14, "more than was spent"))?;
        Ok(())
    }

    fn division(&self) -> Division {
        let promise = "spent is at most the cap, the cap at most the customer's collateral";
        let Collateral { first_msat, second_msat } = self.collateral;
        let spent_msat = self.spent_msat;
        let (first_msat, second_msat) = match self.params.customer {
            Party::First => {
                (first_msat.checked_sub(spent_msat), second_msat.checked_add(spent_msat))
            }
            Party::Second => {
                (first_msat.checked_add(spent_msat), second_msat.checked_sub(spent_msat))
            }
        };
        Division {
            first_msat: first_msat.expect(promise),
            second_msat: second_msat.expect(promise),
            locks: Vec::new(),
            finality: self.finality,
        }
    }
}

impl Contract for Metered {
    fn init(collateral: Collateral, params: &[u8]) -> Result<Vec<u8>, Refusal> {
        let params =
            Params::from_bytes(params).ok_or_else(|| Refusal::new(1, "these are no parameters"))?;
        if params.cap_msat > collateral.of_msat(params.customer) {
            return Err(Refusal::new(2, "the cap is above the customer's collateral"));
        }
        if collateral.total_msat().is_none() {
            return Err(Refusal::new(3, "the collateral is above 64 bits"));
        }
        let state = State { params, collateral, calls: 0, spent_msat: 0, finality: Finality::Open };
        Ok(state.to_bytes())
    }

    fn apply(state: &[u8], call: Call<'_>) -> Result<Vec<u8>, Refusal> {
        let mut state = State::from_bytes(state).expect("only states of this contract get here");
        let action =
            Action::from_bytes(call.action).ok_or_else(|| Refusal::new(4, "this is no action"))?;
        state.act(call.who, action)?;
        Ok(state.to_bytes())
    }

    fn outcome(state: &[u8]) -> Division {
        State::from_bytes(state).expect("only states of this contract get here").division()
    }
}

#[cfg(test)]
mod tests;
