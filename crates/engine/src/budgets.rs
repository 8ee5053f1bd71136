//! Making and revoking tokens, and paying on the account of one.
//!
//! A request under a token is decided here and in the door for commands within one step: nothing can come between the look at
//! what is left and the charge. A request that is known or waits was charged when it was taken; it is charged no second time.
//!
//! A token expires by the latest moment that is known of, not by the clock alone: a clock that is set back makes none good
//! again.

use strait_primitives::{MilliSats, RequestKey, Timestamp, TokenId};

use crate::answer::{Answer, CommandError};
use crate::command::{Command, CommandId};
use crate::engine::{Engine, Moment, Step};
use crate::event::Event;
use crate::limits::{TOKEN_LABEL_BYTES_MAX, TOKENS_MAX};
use crate::payments::reply;
use crate::tokens::{TokenEvent, TokenGrant, TokenScope};

/// What a request would cost a token.
struct Bill {
    /// What is carried out at most once.
    key: RequestKey,
    /// Everything.
    total: MilliSats,
    /// The largest part.
    largest: MilliSats,
}

impl Engine {
    pub(crate) fn command_issue_token(
        &mut self,
        id: CommandId,
        grant: TokenGrant,
        now: Timestamp,
        out: &mut Step,
    ) {
        let grant = TokenGrant { issued: now, ..grant };
        if let Err(error) = self.check_grant(&grant) {
            return reply(id, Err(error), out);
        }
        let token = grant.id;
        self.record(Event::Token(TokenEvent::Issued(grant)), out);
        self.reply_token(id, token, out);
    }

    fn check_grant(&self, grant: &TokenGrant) -> Result<(), CommandError> {
        self.check_disk()?;
        if grant.label.len() > TOKEN_LABEL_BYTES_MAX {
            let (limit, actual) = (TOKEN_LABEL_BYTES_MAX, grant.label.len());
            return Err(CommandError::TokenLabel { limit, actual });
        }
        if grant.is_expired(self.clock_latest) {
            return Err(CommandError::TokenExpired(grant.id));
        }
        if self.book.tokens.find(&grant.id).is_some() {
            return Err(CommandError::TokenKnown(grant.id));
        }
        if self.book.tokens.count_at(grant.issued) >= TOKENS_MAX {
            return Err(CommandError::TooManyTokens { limit: TOKENS_MAX });
        }
        Ok(())
    }

    fn reply_token(&self, id: CommandId, token: TokenId, out: &mut Step) {
        let found = self.book.tokens.find(&token).cloned().map(Box::new);
        reply(id, found.map(Answer::Token).ok_or(CommandError::UnknownToken(token)), out);
    }

    /// Answered with the token as it was.
    pub(crate) fn command_revoke_token(&mut self, id: CommandId, token: TokenId, out: &mut Step) {
        self.reply_token(id, token, out);
        if self.book.tokens.find(&token).is_some() {
            self.record(Event::Token(TokenEvent::Revoked(token)), out);
        }
    }

    /// Does what a token's holder asks, if the token covers it.
    pub(crate) fn command_under_token(
        &mut self,
        id: CommandId,
        token: TokenId,
        command: Command,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let Some(bill) = self.bill(&command) else {
            return reply(id, Err(CommandError::BeyondToken(token)), out);
        };
        let Bill { key, total, .. } = bill;
        let is_charged = self.book.requests.find(&key).is_some() || self.waiters.has_request(&key);
        if !is_charged {
            // Under a key whose request is gone something else may be asked, at another price.
            self.credit_refused(key, out);
            if let Err(error) = self.check_budget(token, &bill) {
                return reply(id, Err(error), out);
            }
        }
        self.handle_command(id, command, moment, out);
        if !is_charged && self.waiters.has_request(&key) {
            self.record(Event::Token(TokenEvent::Charged { token, key, amount: total }), out);
        }
    }

    /// What a command costs; none for one that no budget covers.
    fn bill(&self, command: &Command) -> Option<Bill> {
        let one = |key: &RequestKey, amount: MilliSats| Bill {
            key: *key,
            total: amount,
            largest: amount,
        };
        match command {
            Command::Pay { key, payments, .. } => {
                let amounts = || payments.iter().map(|payment| payment.amount);
                let total = MilliSats::checked_sum(amounts()).unwrap_or(MilliSats::MAX);
                let largest = amounts().max().unwrap_or(MilliSats::ZERO);
                Some(Bill { key: *key, total, largest })
            }
            Command::OfferLock { key, amount, .. } => Some(one(key, *amount)),
            // The peer may open by a round of its own what was offered to it, whatever became of the request here: what
            // a contract costs a token cannot be told by the request alone.
            Command::OpenContract { .. }
            | Command::Status
            | Command::Peers
            | Command::ConnectPeer { .. }
            | Command::Channels
            | Command::Channel(_)
            | Command::OpenChannel { .. }
            | Command::CloseChannel { .. }
            | Command::Recoveries
            | Command::Recover { .. }
            | Command::ClaimLock { .. }
            | Command::CancelLock { .. }
            | Command::Locks
            | Command::Lock(_)
            | Command::Modules
            | Command::AddModule { .. }
            | Command::Contracts
            | Command::Contract(_)
            | Command::Act { .. }
            | Command::Settle { .. }
            | Command::Wallet
            | Command::NewAddress
            | Command::SendCoins { .. }
            | Command::Tokens
            | Command::IssueToken(_)
            | Command::RevokeToken(_)
            | Command::UnderToken { .. } => None,
        }
    }

    fn check_budget(&self, id: TokenId, bill: &Bill) -> Result<(), CommandError> {
        let token = self.book.tokens.find(&id).ok_or(CommandError::UnknownToken(id))?;
        if token.grant.is_expired(self.clock_latest) {
            return Err(CommandError::TokenExpired(id));
        }
        let TokenScope::Pay { payment_max, .. } = token.grant.scope else {
            return Err(CommandError::BeyondToken(id));
        };
        if let Some(max) = payment_max.filter(|max| bill.largest > *max) {
            return Err(CommandError::PaymentAboveToken { token: id, asked: bill.largest, max });
        }
        let left = token.left().unwrap_or(MilliSats::ZERO);
        if bill.total > left {
            return Err(CommandError::Budget { token: id, asked: bill.total, left });
        }
        Ok(())
    }

    /// Takes back what was charged for a request that no round carries and that waits for none.
    pub(crate) fn credit_refused(&mut self, key: RequestKey, out: &mut Step) {
        if self.book.tokens.is_open(&key) && self.book.requests.find(&key).is_none() {
            self.record(Event::Token(TokenEvent::Credited { keys: vec![key] }), out);
        }
    }

    /// Takes back every charge whose request is neither known nor waits: a restart forgets what waited. Logs of before
    /// contracts were the operator's alone may hold charges for one that was offered, and they come back so as well.
    pub(crate) fn credit_forgotten(&mut self, out: &mut Step) {
        if self.book.tokens.is_settled() {
            return;
        }
        let is_forgotten = |key: &&RequestKey| {
            self.book.requests.find(key).is_none() && !self.waiters.has_request(key)
        };
        let keys: Vec<RequestKey> =
            self.book.tokens.open_keys().filter(is_forgotten).copied().collect();
        if !keys.is_empty() {
            self.record(Event::Token(TokenEvent::Credited { keys }), out);
        }
    }
}

#[cfg(test)]
mod tests;
