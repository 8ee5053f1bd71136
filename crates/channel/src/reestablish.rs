//! After a reconnection: where do we stand (protocol section 9).
//!
//! Both sides say it at once, and each acts on what it hears: resend what the other lacks, wait for what it lacks
//! itself, or find out that one of the two has lost data.
//!
//! | here | the peer says | then |
//! |---|---|---|
//! | between rounds at n | agreed n | nothing to do; if it proposed n+1 it sends that again |
//! | between rounds at n | agreed n-1, accepted n | our `Finalize` was lost: send it again |
//! | proposed n+1 | agreed n-1, accepted n | our `Finalize` was lost, and the proposal with it: send both again |
//! | proposed n+1 | agreed n | send the proposal again unless the peer has accepted it: then it sends `Accept` again |
//! | accepted n+1 | agreed n, proposed n+1 | our `Accept` was lost: send it again |
//! | accepted n+1 | agreed n+1 | it sends its `Finalize` again |
//! | any | a secret of ours that we do not know to have revealed | we have lost data: never broadcast, ask for a close |
//! | any | its store was restored, and it is not ahead of us | run no round, wait for its operator |
//! | any | anything else | close |

use strait_onchain::revocation_hash_of;
use strait_primitives::{CommitmentNumber, Digest};
use strait_signer::Standing;
use strait_wire::{OutstandingRound, Propose, Reestablish, RoundRole, StoreState};

use crate::channel::{Channel, Link, proposal_digest};
use crate::decision::{Decision, Moment, Reaction, Violation};
use crate::event::{ChannelEvent, ForceReason};
use crate::round::out_of_place;
use crate::state::{Live, Outstanding};

/// What to do about a peer's account.
enum Step {
    Nothing,
    ResendPropose,
    ResendAccept,
    ResendFinalize,
    ResendFinalizeAndPropose,
}

impl Channel {
    /// Where this node stands.
    ///
    /// # Panics
    /// If the channel is not live.
    pub(crate) fn reestablish_message(&self) -> Reestablish {
        let rounds = &self.live().rounds;
        let outstanding = rounds.outstanding.as_ref().map(|outstanding| match outstanding {
            Outstanding::Proposed { number, signature, .. } => OutstandingRound {
                role: RoundRole::Proposer,
                number: *number,
                digest: proposal_digest(signature),
            },
            Outstanding::Accepted { .. } => OutstandingRound {
                role: RoundRole::Receiver,
                number: rounds.number,
                digest: proposal_digest(&rounds.holder_signature),
            },
        });
        Reestablish {
            channel: self.id(),
            agreed: rounds.agreed(),
            outstanding,
            last_secret: self.state().last_secret(),
            store: self.store_state(),
        }
    }

    /// The peer's account has come.
    pub(crate) fn handle_reestablish(
        &mut self,
        theirs: &Reestablish,
        moment: &Moment<'_>,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        let Some(live) = self.state.live() else {
            // The opener has not got the acceptor's signature yet, and has asked for it again.
            return Ok(());
        };
        if self.volatile.link != Link::Greeting {
            return Err(out_of_place("Reestablish"));
        }
        if live.signing.standing() != Standing::Current {
            self.note_account(theirs, moment, out);
            return Ok(());
        }
        if let Some(proven) = self.proof_of_loss(theirs) {
            self.record(ChannelEvent::DataLost { proven }, out);
            self.refuse_queue("lost", out);
            self.note_account(theirs, moment, out);
            self.ask_peer(out);
            return Ok(());
        }
        let (ours, step) = (live.rounds.agreed(), step(live, theirs));
        match (theirs.store, &step) {
            (_, None) if theirs.agreed >= ours => {
                return Err(Violation::Mismatch { theirs: theirs.agreed, ours }.into());
            }
            (StoreState::Restored, _) => {
                self.await_restored(moment, out);
                return Ok(());
            }
            (StoreState::Whole, _) => {}
        }
        let Some(step) = step else {
            // It has forgotten what it revoked: it must not broadcast, so this node closes for both.
            self.force_close(ForceReason::PeerLost, out);
            return Ok(());
        };
        self.volatile.link = Link::Up;
        if self.live().owes() {
            self.wait_on(moment.now);
        } else {
            self.volatile.waiting_since = None;
        }
        match step {
            Step::Nothing => {}
            Step::ResendPropose => self.resend_propose(out),
            Step::ResendAccept => self.resend_accept(out),
            Step::ResendFinalize => self.resend_finalize(out),
            Step::ResendFinalizeAndPropose => {
                self.resend_finalize(out);
                self.resend_propose(out);
            }
        }
        self.repeat_offers(out);
        self.resume_close(moment, out);
        Ok(())
    }

    /// A number that the peer proves this node has revoked, though this node's log does not know of it.
    pub(crate) fn proof_of_loss(&self, theirs: &Reestablish) -> Option<CommitmentNumber> {
        let (number, secret) = theirs.last_secret.as_ref()?;
        let live = self.state.live()?;
        let genuine = revocation_hash_of(secret) == self.signer.revocation_hash(*number);
        (genuine && *number >= live.rounds.number).then_some(*number)
    }

    /// Says again what was proposed, the same bytes each time; not once this node has given up on the peer.
    fn resend_propose(&self, out: &mut Decision) {
        if !self.live().is_running() {
            return;
        }
        let Some(Outstanding::Proposed { number, operations, signature, .. }) =
            &self.live().rounds.outstanding
        else {
            panic!("only a proposal is sent again");
        };
        let message = Propose {
            channel: self.id(),
            number: *number,
            operations: operations.clone(),
            signature: *signature,
        };
        out.send(message);
    }
}

/// What the two accounts add up to; `None` if no lost message explains them.
fn step(live: &Live, theirs: &Reestablish) -> Option<Step> {
    let rounds = &live.rounds;
    let ours = rounds.agreed();
    let said = theirs.outstanding.map(|round| (round.role, round.number));
    match &rounds.outstanding {
        None => match said {
            None if theirs.agreed == ours => Some(Step::Nothing),
            Some((RoundRole::Proposer, number))
                if theirs.agreed == ours && Some(number) == ours.next() =>
            {
                Some(Step::Nothing)
            }
            Some((RoundRole::Receiver, number))
                if number == ours
                    && theirs.agreed.next() == Some(ours)
                    && rounds.last_finalize.is_some_and(|(last, _)| last == ours) =>
            {
                Some(Step::ResendFinalize)
            }
            None | Some(_) => None,
        },
        Some(Outstanding::Proposed { number, signature, .. }) => match said {
            None if theirs.agreed == ours => Some(Step::ResendPropose),
            Some((RoundRole::Receiver, accepted))
                if theirs.agreed == ours
                    && accepted == *number
                    && names(theirs, proposal_digest(signature)) =>
            {
                Some(Step::Nothing)
            }
            // The peer is still in the round before: our last `Finalize` was lost with the proposal that rode along.
            Some((RoundRole::Receiver, accepted))
                if accepted == ours
                    && theirs.agreed.next() == Some(ours)
                    && rounds.last_finalize.is_some_and(|(last, _)| last == ours) =>
            {
                Some(Step::ResendFinalizeAndPropose)
            }
            None | Some(_) => None,
        },
        Some(Outstanding::Accepted { .. }) => match said {
            Some((RoundRole::Proposer, number))
                if theirs.agreed == ours
                    && number == rounds.number
                    && names(theirs, proposal_digest(&rounds.holder_signature)) =>
            {
                Some(Step::ResendAccept)
            }
            None if theirs.agreed == rounds.number => Some(Step::Nothing),
            // It has finished this round and begun the next: `Finalize` and the new proposal come again, in order.
            Some((RoundRole::Proposer, number))
                if theirs.agreed == rounds.number && Some(number) == rounds.number.next() =>
            {
                Some(Step::Nothing)
            }
            None | Some(_) => None,
        },
    }
}

fn names(theirs: &Reestablish, digest: Digest) -> bool {
    theirs.outstanding.is_some_and(|round| round.digest == digest)
}
