//! Closing channels.

use strait_channel::ForceReason;
use strait_primitives::{ChannelId, RequestKey};

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
        match mode {
            CloseMode::Cooperative => match machine.close() {
                Err(source) => reply(id, Err(CommandError::Channel { channel, source }), out),
                Ok(()) => {
                    let closing = machine.state().live().map(|live| &live.closing);
                    if matches!(closing, Some(strait_channel::Closing::Agreed { .. })) {
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

    /// A closing transaction is complete, or the channel closes by force: those who wait are told.
    pub(crate) fn tell_closing(&mut self, channel: ChannelId, out: &mut Step) {
        for command in self.waiters.closings.remove(&channel).unwrap_or_default() {
            self.reply_channel(command, channel, out);
        }
    }
}
