//! Closing channels.

use strait_channel::{AbandonReason, Channel, Closing, ForceReason, Funded, Live, RequestError};
use strait_primitives::{ChannelId, ContractId, RequestKey};

use crate::answer::CommandError;
use crate::command::{CloseMode, CommandId};
use crate::engine::{Engine, Moment, Step};
use crate::payments::reply;

impl Engine {
    /// Closing is idempotent by itself: asked again it goes on, so its key decides nothing.
    pub(crate) fn command_close(
        &mut self,
        id: CommandId,
        _key: RequestKey,
        channel: ChannelId,
        mode: CloseMode,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let Some(machine) = self.channels.get_mut(&channel) else {
            return reply(id, Err(CommandError::UnknownChannel(channel)), out);
        };
        if machine.state().live().is_some_and(Live::is_quarantined) {
            let source = RequestError::Quarantined;
            return reply(id, Err(CommandError::Channel { channel, source }), out);
        }
        match mode {
            CloseMode::Cooperative => match machine.close() {
                Err(source) => reply(id, Err(CommandError::Channel { channel, source }), out),
                Ok(()) => {
                    let is_settled = |live: &Live| {
                        matches!(live.closing, Closing::Agreed { .. })
                            || matches!(live.funded, Funded::Spent { .. })
                    };
                    if machine.state().live().is_some_and(is_settled) {
                        return self.reply_channel(id, channel, out);
                    }
                    self.waiters.closings.entry(channel).or_default().push(id);
                    self.dirty.insert(channel);
                }
            },
            CloseMode::Force => {
                self.with_channel(channel, moment, out, |channel, _, decision| {
                    channel.force_close(ForceReason::Operator, decision);
                });
                self.reply_channel(id, channel, out);
            }
        }
    }

    /// Forgets a signed channel that was never funded and in which this node has nothing; says nothing about others.
    pub(crate) fn forsake(
        &mut self,
        channel: ChannelId,
        reason: AbandonReason,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        if !self.channels.get(&channel).is_some_and(|channel| channel.may_forsake(reason)) {
            return;
        }
        self.tell_closing(channel, out);
        self.free_bump_coins(channel, out);
        self.with_channel(channel, moment, out, |channel, _, decision| {
            channel.forsake(reason, decision);
        });
    }

    /// A contract that was opened in the meantime is in the way: whoever waits for the close hears what whoever asks now
    /// would.
    pub(crate) fn tell_close_refused(
        &mut self,
        channel: ChannelId,
        source: &RequestError,
        out: &mut Step,
    ) {
        for command in self.waiters.closings.remove(&channel).unwrap_or_default() {
            let source = source.clone();
            reply(command, Err(CommandError::Channel { channel, source }), out);
        }
    }

    /// A closing transaction is complete, or the channel closes by force: those who wait are told, and those who wait
    /// for the peer's word on a contract, which will not come any more.
    pub(crate) fn tell_closing(&mut self, channel: ChannelId, out: &mut Step) {
        let live = self.channels.get(&channel).map(Channel::state).and_then(|state| state.live());
        let offers: Vec<ContractId> =
            live.map(|live| live.offers.keys().copied().collect()).unwrap_or_default();
        for contract in offers {
            for command in self.waiters.contracts.remove(&contract).unwrap_or_default() {
                reply(command, Err(CommandError::ChannelClosed(channel)), out);
            }
        }
        for command in self.waiters.closings.remove(&channel).unwrap_or_default() {
            self.reply_channel(command, channel, out);
        }
    }
}

#[cfg(test)]
mod tests;
