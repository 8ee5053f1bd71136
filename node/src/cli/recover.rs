//! `strait recover`: what to do with channels whose state comes from a backup.

use strait_api_types::RecoverRequest;
use strait_client::Client;

use super::money::{Intention, intend};
use super::output::{Form, Output};
use super::{CliError, MoneyArgs, RecoverCommand};

/// What a person sees of each channel first.
const COLUMNS: [&str; 9] = [
    "channel_id",
    "phase",
    "doubt",
    "peer_connection",
    "commitment_number",
    "peer_commitment_number",
    "holder_balance_msat",
    "close_brings_sat",
    "choice",
];

pub(super) async fn run(
    client: &Client,
    command: Option<&RecoverCommand>,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    match command {
        None | Some(RecoverCommand::List) => {
            let list = client.recoveries().await?;
            let is_empty = list.channels.is_empty();
            output.list(&list, "channels", &COLUMNS)?;
            if output.form == Form::Lines {
                output.say(if is_empty { NOTHING } else { CHOICES });
            }
            Ok(())
        }
        Some(RecoverCommand::AskPeer { channel_id, money }) => {
            choose(client, channel_id, &RecoverRequest::AskPeer, money, output).await
        }
        Some(RecoverCommand::Approve { channel_id, at_least_sat, money }) => {
            let request = RecoverRequest::ApproveClose { at_least_sat: *at_least_sat };
            choose(client, channel_id, &request, money, output).await
        }
        Some(RecoverCommand::AcceptLoss { channel_id, may_lose_sat, money }) => {
            let request = RecoverRequest::AcceptLoss { may_lose_sat: *may_lose_sat };
            choose(client, channel_id, &request, money, output).await
        }
    }
}

const NOTHING: &str = "no channel waits for a decision";

const CHOICES: &str = "\
for each channel, one of:
  strait recover ask-peer CHANNEL_ID                          the peer closes by force
  strait recover approve CHANNEL_ID --at-least-sat N          close together, for N or more
  strait recover accept-loss CHANNEL_ID --may-lose-sat N      publish what the backup holds";

async fn choose(
    client: &Client,
    channel_id: &str,
    request: &RecoverRequest,
    money: &MoneyArgs,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    match intend(money, &format!("/v1/recovery/{channel_id}"), request, output)? {
        Intention::Send(key) => output.object(&client.recover(&key, channel_id, request).await?),
        Intention::Shown => Ok(()),
    }
}
