//! The rules of signing: a small state that remembers what was signed and given away, and refuses what would lose money.
//!
//! The channel machine holds it in its durable state and folds it from its events with [`SigningState::apply`]; the
//! [`ChannelSigner`](crate::ChannelSigner) asks it before every signature and every secret.
//!
//! One round, `n` to `n+1`, as the two sides apply it:
//!
//! | machine's event | what it applies |
//! |---|---|
//! | `Proposed(n+1)` | `CounterpartySigned(n+1)` |
//! | `Accepted(n+1)` | `HolderVerified(n+1)`, `CounterpartySigned(n+1)`, `HolderRevoked(n)` |
//! | `Revoked(n)` | `HolderVerified(n+1)`, `CounterpartyRevoked(n)`, `HolderRevoked(n)` |
//! | `Finalized(n+1)` | `CounterpartyRevoked(n)` |
//!
//! Laws: a counterparty's number is signed with one content only; numbers are not skipped; a secret is given away only
//! while a newer commitment of ours is signed; what is revoked, or about to be, is not published; what is published is
//! not revoked; a restored or outdated state signs no commitment, and a close only that brings what the operator approved.
//!
//! Spec: protocol, sections 6, 8 and 9.

mod refusal;

use strait_primitives::{CommitmentNumber, Digest, Sats};

pub use self::refusal::Refusal;

/// How far this store may be trusted to hold the latest state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Standing {
    /// It has followed the channel without a gap.
    #[n(0)]
    Current,
    /// It was restored from a backup: the counterparty may hold newer states.
    #[n(1)]
    Quarantined,
    /// As [`Self::Quarantined`], and the operator accepts that publishing may lose everything.
    #[n(2)]
    LossAccepted,
    /// The counterparty has proved that newer states exist.
    #[n(3)]
    DataLost,
}

/// Whether there may be further rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Rounds {
    /// Yes.
    #[n(0)]
    Open,
    /// No: a shutdown was sent or answered.
    #[n(1)]
    Ended,
}

/// What happened, as the rules need to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningEvent {
    /// We signed a commitment of the counterparty.
    CounterpartySigned {
        /// Its number.
        number: CommitmentNumber,
        /// What was signed.
        digest: Digest,
    },
    /// The counterparty gave away the secret of a commitment of its own, and it passed all tests.
    CounterpartyRevoked {
        /// Its number.
        number: CommitmentNumber,
    },
    /// We verified the counterparty's signature on a commitment of ours.
    HolderVerified {
        /// Its number.
        number: CommitmentNumber,
    },
    /// We gave away, or are about to, the secret of a commitment of ours.
    HolderRevoked {
        /// Its number.
        number: CommitmentNumber,
    },
    /// We decided to publish a commitment of ours.
    HolderPublished {
        /// Its number.
        number: CommitmentNumber,
    },
    /// A shutdown was sent or answered.
    Shutdown,
    /// The store was restored from a backup.
    Restored,
    /// The operator accepts that publishing a restored state may lose everything.
    LossAccepted,
    /// The operator approves a close, by the counterparty's ledger, that brings us this much or more.
    CloseApproved {
        /// The least that our output holds.
        at_least: Sats,
    },
    /// The counterparty proved that newer states exist.
    DataLost,
}

/// A number and the content that was signed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
struct SignedNumber {
    /// The number.
    #[n(0)]
    number: CommitmentNumber,
    /// What was signed.
    #[n(1)]
    digest: Digest,
}

/// What was signed and given away in one channel.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct SigningState {
    /// The counterparty's last commitment that we signed; changes with each round, never back.
    #[n(0)]
    counterparty_signed: Option<SignedNumber>,
    /// The counterparty's lowest commitment whose secret we do not hold; at most one below `counterparty_signed`.
    #[n(1)]
    counterparty_unrevoked: CommitmentNumber,
    /// Our last commitment that the counterparty signed; changes with each round, never back.
    #[n(2)]
    holder_verified: Option<CommitmentNumber>,
    /// Our lowest commitment whose secret we kept: what is below is closed to publishing. Never above `holder_verified`.
    #[n(3)]
    holder_unrevoked: CommitmentNumber,
    /// Our commitment that we decided to publish.
    #[n(4)]
    published: Option<CommitmentNumber>,
    /// Whether there may be further rounds.
    #[n(5)]
    rounds: Rounds,
    /// How far the store may be trusted.
    #[n(6)]
    standing: Standing,
    /// What a close must bring us at least, while the state is not trusted; the operator's last word.
    #[n(7)]
    approved: Option<Sats>,
}

impl Default for SigningState {
    fn default() -> Self {
        Self::new()
    }
}

impl SigningState {
    /// The state of a channel in which nothing is signed.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            counterparty_signed: None,
            counterparty_unrevoked: CommitmentNumber::FIRST,
            holder_verified: None,
            holder_unrevoked: CommitmentNumber::FIRST,
            published: None,
            rounds: Rounds::Open,
            standing: Standing::Current,
            approved: None,
        }
    }

    /// The counterparty's last commitment that we signed.
    #[must_use]
    pub fn counterparty_signed(&self) -> Option<CommitmentNumber> {
        self.counterparty_signed.map(|signed| signed.number)
    }

    /// The counterparty's lowest commitment whose secret we do not hold.
    #[must_use]
    pub const fn counterparty_unrevoked(&self) -> CommitmentNumber {
        self.counterparty_unrevoked
    }

    /// Our last commitment that the counterparty signed.
    #[must_use]
    pub const fn holder_verified(&self) -> Option<CommitmentNumber> {
        self.holder_verified
    }

    /// Our lowest commitment whose secret we kept.
    #[must_use]
    pub const fn holder_unrevoked(&self) -> CommitmentNumber {
        self.holder_unrevoked
    }

    /// Our commitment that we decided to publish.
    #[must_use]
    pub const fn published(&self) -> Option<CommitmentNumber> {
        self.published
    }

    /// How far the store may be trusted.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// What a close must bring us at least, while the state is not trusted.
    #[must_use]
    pub const fn approved(&self) -> Option<Sats> {
        self.approved
    }

    /// Whether there may be further rounds.
    #[must_use]
    pub const fn rounds(&self) -> Rounds {
        self.rounds
    }

    /// Whether the counterparty's commitment `number` may be signed with this content.
    ///
    /// # Errors
    /// [`Refusal`] says which rule forbids it.
    pub fn check_sign_counterparty(
        &self,
        number: CommitmentNumber,
        digest: &Digest,
    ) -> Result<(), Refusal> {
        self.check_current()?;
        if let Some(signed) = self.counterparty_signed.filter(|signed| signed.number == number) {
            if signed.digest == *digest {
                return Ok(());
            }
            return Err(Refusal::OtherContent { number, signed: signed.digest, asked: *digest });
        }
        let expected = next_after(self.counterparty_signed());
        if expected != Some(number) {
            return Err(Refusal::CounterpartyOrder { expected, asked: number });
        }
        if self.rounds == Rounds::Ended {
            return Err(Refusal::RoundsEnded { asked: number });
        }
        if let Some(published) = self.published {
            return Err(Refusal::Published { published, asked: number });
        }
        if number.previous().is_some_and(|previous| previous > self.counterparty_unrevoked) {
            let unrevoked = self.counterparty_unrevoked;
            return Err(Refusal::TwoUnrevoked { unrevoked, asked: number });
        }
        if number.previous().is_some_and(|previous| Some(previous) > self.holder_verified) {
            let verified = self.holder_verified;
            return Err(Refusal::CounterpartyAhead { verified, asked: number });
        }
        Ok(())
    }

    /// Whether the secret of our commitment `number` may be given away.
    ///
    /// # Errors
    /// [`Refusal`] says which rule forbids it.
    pub fn check_release(&self, number: CommitmentNumber) -> Result<(), Refusal> {
        self.check_current()?;
        if number > self.holder_unrevoked {
            return Err(Refusal::HolderOrder { expected: self.holder_unrevoked, asked: number });
        }
        if self.holder_verified <= Some(number) {
            return Err(Refusal::NothingNewer { verified: self.holder_verified, asked: number });
        }
        match self.published {
            Some(published) if published <= number => {
                Err(Refusal::Published { published, asked: number })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether our commitment `number` may be published.
    ///
    /// # Errors
    /// [`Refusal`] says which rule forbids it.
    pub fn check_broadcast(&self, number: CommitmentNumber) -> Result<(), Refusal> {
        match self.standing {
            Standing::Current | Standing::LossAccepted => {}
            Standing::Quarantined | Standing::DataLost => {
                return Err(Refusal::Standing { standing: self.standing });
            }
        }
        if number < self.holder_unrevoked {
            return Err(Refusal::Revoked { unrevoked: self.holder_unrevoked, asked: number });
        }
        if self.holder_verified != Some(number) {
            return Err(Refusal::NotLatest { verified: self.holder_verified, asked: number });
        }
        Ok(())
    }

    /// Whether a cooperative close may be signed whose output to us holds `output`.
    ///
    /// A store that may not hold the latest state does not know which rounds are outstanding, nor what is ours: there the
    /// operator says how much it must be.
    ///
    /// # Errors
    /// [`Refusal`] unless rounds have ended and none is outstanding, or the operator approved so much.
    pub fn check_sign_closing(&self, output: Sats) -> Result<(), Refusal> {
        if self.rounds == Rounds::Open {
            return Err(Refusal::RoundsOpen);
        }
        match self.standing {
            Standing::Current if self.counterparty_signed() != self.holder_verified => {
                Err(Refusal::RoundOutstanding {
                    counterparty: self.counterparty_signed(),
                    holder: self.holder_verified,
                })
            }
            Standing::Current => Ok(()),
            Standing::Quarantined | Standing::DataLost => match self.approved {
                Some(approved) if output >= approved => Ok(()),
                approved => Err(Refusal::NotApproved { approved, output }),
            },
            Standing::LossAccepted => Err(Refusal::Standing { standing: self.standing }),
        }
    }

    /// Refuses all of a round to a store that may not hold the latest state.
    fn check_current(&self) -> Result<(), Refusal> {
        match self.standing {
            Standing::Current => Ok(()),
            Standing::Quarantined | Standing::LossAccepted | Standing::DataLost => {
                Err(Refusal::Standing { standing: self.standing })
            }
        }
    }

    /// True if a later state than a copy of this one may exist. After a shutdown between rounds, or a decision to publish,
    /// we sign no commitment and give no secret away any more: then a copy, however old, holds the last state.
    fn may_be_outdated(&self) -> bool {
        let is_outstanding = self.counterparty_signed() != self.holder_verified;
        self.published.is_none() && (self.rounds == Rounds::Open || is_outstanding)
    }

    /// Folds what happened.
    ///
    /// # Panics
    /// If the event breaks a law: it was written without asking, and nothing may be signed on top of it.
    pub fn apply(&mut self, event: SigningEvent) {
        match event {
            SigningEvent::CounterpartySigned { number, digest } => {
                let allowed = self.check_sign_counterparty(number, &digest);
                assert_eq!(allowed, Ok(()), "the rules allow what is signed");
                self.counterparty_signed = Some(SignedNumber { number, digest });
            }
            SigningEvent::CounterpartyRevoked { number } => {
                assert_eq!(number, self.counterparty_unrevoked, "secrets come in order");
                assert!(Some(number) < self.counterparty_signed(), "a newer one is signed");
                self.counterparty_unrevoked = advanced(number);
            }
            SigningEvent::HolderVerified { number } => {
                let expected = next_after(self.holder_verified);
                assert_eq!(Some(number), expected, "our commitments are signed in order");
                self.holder_verified = Some(number);
            }
            SigningEvent::HolderRevoked { number } => {
                assert_eq!(self.check_release(number), Ok(()), "the rules allow what is revoked");
                self.holder_unrevoked = self.holder_unrevoked.max(advanced(number));
            }
            SigningEvent::HolderPublished { number } => {
                assert_eq!(
                    self.check_broadcast(number),
                    Ok(()),
                    "the rules allow what is published"
                );
                self.published = Some(number);
            }
            SigningEvent::Shutdown => self.rounds = Rounds::Ended,
            SigningEvent::Restored => match self.standing {
                Standing::Current | Standing::LossAccepted if self.may_be_outdated() => {
                    self.standing = Standing::Quarantined;
                }
                Standing::Current
                | Standing::LossAccepted
                | Standing::Quarantined
                | Standing::DataLost => {}
            },
            SigningEvent::LossAccepted => {
                assert_eq!(
                    self.standing,
                    Standing::Quarantined,
                    "only a restored state is at risk"
                );
                self.standing = Standing::LossAccepted;
            }
            SigningEvent::CloseApproved { at_least } => {
                assert!(
                    matches!(self.standing, Standing::Quarantined | Standing::DataLost),
                    "only a state that is not trusted needs an approval"
                );
                self.approved = Some(at_least);
            }
            SigningEvent::DataLost => self.standing = Standing::DataLost,
        }
        assert!(
            self.holder_verified.is_none_or(|verified| self.holder_unrevoked <= verified),
            "our latest commitment is never revoked: {self:?}"
        );
    }
}

/// The number after the last one; `None` when all are used.
fn next_after(last: Option<CommitmentNumber>) -> Option<CommitmentNumber> {
    last.map_or(Some(CommitmentNumber::FIRST), CommitmentNumber::next)
}

/// The number after one that has a successor.
fn advanced(number: CommitmentNumber) -> CommitmentNumber {
    number
        .next()
        .expect("the newer commitment that was checked for has this number or a higher one")
}

#[cfg(test)]
mod tests;
