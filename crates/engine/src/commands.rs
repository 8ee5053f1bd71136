//! The door for commands.

use strait_contract::Terms;
use strait_payment::LockTerms;

use crate::answer::{Answer, CommandError};
use crate::coins::Sending;
use crate::command::{Command, CommandId};
use crate::engine::{Engine, Moment, Step};
use crate::event::Event;
use crate::openings::Opening;
use crate::payments::reply;
use crate::views::ChannelView;

impl Engine {
    pub(crate) fn handle_command(
        &mut self,
        id: CommandId,
        command: Command,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        match command {
            Command::ConnectPeer { node, address } => {
                self.command_connect(id, node, address, out);
            }
            Command::OpenChannel { key, node, capacity, fee_rate } => {
                self.command_open(Opening { id, key, node, capacity, fee_rate }, moment, out);
            }
            Command::CloseChannel { key, channel, mode } => {
                self.command_close(id, key, channel, mode, moment, out);
            }
            Command::Recover { channel, choice } => {
                self.command_recover(id, channel, choice, moment, out);
            }
            Command::Pay { key, channel, payments } => {
                self.command_pay(id, key, channel, &payments, out);
            }
            Command::AddModule { module, size_bytes } => {
                let is_known = self.book.modules.contains_key(&module);
                if let (false, Err(error)) = (is_known, self.check_disk()) {
                    return reply(id, Err(error), out);
                }
                if !is_known {
                    self.record(Event::ModuleAdded { module, size_bytes }, out);
                }
                reply(id, Ok(Answer::Modules(vec![(module, size_bytes)])), out);
            }
            Command::OpenContract { key, channel, module, params, collateral, limits } => {
                let terms = Terms { module, params, collateral, limits };
                self.command_open_contract(id, key, channel, terms, moment, out);
            }
            Command::Act { key, contract, actions } => {
                self.command_act(id, key, contract, actions, out);
            }
            Command::Settle { key, contract } => self.command_settle(id, key, contract, out),
            Command::OfferLock { key, channel, amount, payment_hash, expiry, route } => {
                let terms = LockTerms { amount, payment_hash, expiry };
                self.command_offer_lock(id, key, channel, terms, route, out);
            }
            Command::ClaimLock { key: _, lock, preimage } => {
                self.command_claim_lock(id, lock, preimage, out);
            }
            Command::CancelLock { key: _, lock } => self.command_cancel_lock(id, lock, out),
            Command::NewAddress => self.command_address(id, out),
            Command::SendCoins { key, address, amount, fee_rate } => {
                let asked = Sending { id, key, address, amount, fee_rate };
                self.command_send(&asked, moment, out);
            }
            Command::IssueToken(grant) => self.command_issue_token(id, grant, moment.now, out),
            Command::RevokeToken(token) => self.command_revoke_token(id, token, out),
            Command::UnderToken { token, command } => {
                self.command_under_token(id, token, *command, moment, out);
            }
            Command::Status
            | Command::Tokens
            | Command::Peers
            | Command::Channels
            | Command::Channel(_)
            | Command::Recoveries
            | Command::Modules
            | Command::Contracts
            | Command::Contract(_)
            | Command::Locks
            | Command::Lock(_)
            | Command::Wallet => reply(id, self.look_up(&command), out),
        }
    }

    /// Answers a question, and changes nothing.
    fn look_up(&self, command: &Command) -> Result<Answer, CommandError> {
        Ok(match command {
            Command::Peers => Answer::Peers(self.peer_views()),
            Command::Channels => {
                let ended = self.book.ended.iter().map(ChannelView::of_ended);
                let all = self.channels.keys().filter_map(|channel| self.channel_view(channel));
                Answer::Channels(all.chain(ended).collect())
            }
            Command::Channel(channel) => {
                let view = self.channel_view(channel);
                Answer::Channel(Box::new(view.ok_or(CommandError::UnknownChannel(*channel))?))
            }
            Command::Recoveries => Answer::Recoveries(self.recovery_views()),
            Command::Modules => {
                let modules = self.book.modules.iter();
                Answer::Modules(modules.map(|(module, size)| (*module, *size)).collect())
            }
            Command::Contracts => {
                let all = self.channels.keys().flat_map(|channel| self.contract_views(channel));
                Answer::Contracts(all.collect())
            }
            Command::Contract(contract) => {
                let view = self.find_contract(contract);
                Answer::Contract(Box::new(view.ok_or(CommandError::UnknownContract(*contract))?))
            }
            Command::Locks => Answer::Locks(self.lock_views()),
            Command::Lock(lock) => {
                let view = self.lock_view(lock).ok_or(CommandError::UnknownLock(*lock))?;
                Answer::Lock(Box::new(view))
            }
            Command::Tokens => Answer::Tokens(self.book.tokens.all().cloned().collect()),
            Command::Wallet => Answer::Wallet(self.wallet_view()),
            Command::Status => Answer::Status(Box::new(self.node_view())),
            Command::ConnectPeer { .. }
            | Command::OpenChannel { .. }
            | Command::CloseChannel { .. }
            | Command::Recover { .. }
            | Command::Pay { .. }
            | Command::AddModule { .. }
            | Command::OpenContract { .. }
            | Command::Act { .. }
            | Command::Settle { .. }
            | Command::OfferLock { .. }
            | Command::ClaimLock { .. }
            | Command::CancelLock { .. }
            | Command::NewAddress
            | Command::IssueToken(_)
            | Command::RevokeToken(_)
            | Command::UnderToken { .. }
            | Command::SendCoins { .. } => unreachable!("only questions are looked up"),
        })
    }
}
