//! Commands that ask a running node.

use std::io::Write;

use strait_api_types::{
    CloseChannelRequest, CloseMode, ConnectPeerRequest, EVENT_PAGE_MAX, OpenChannelRequest,
    SendAll, SendAmount, SendRequest,
};
use strait_client::Client;

use super::money::{Intention, intend};
use super::output::{Form, Output};
use super::{
    ChannelCommand, CliError, ClientCommand, EventsArgs, Globals, LockCommand, MoneyArgs,
    PeerCommand, WalletCommand, contract, lock, pay, place, recover, settings, token,
};

/// Asks the node that the flags mean, and writes its answer.
///
/// # Errors
/// [`CliError`]; its [`exit`](CliError::exit) is the exit code.
pub async fn run_client_command(
    globals: &Globals,
    command: &ClientCommand,
    data: &mut (dyn Write + Send),
    words: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let form = if globals.json { Form::Json } else { Form::Lines };
    let mut output = Output { form, data, words };
    if matches!(command, ClientCommand::Lock(LockCommand::NewPreimage)) {
        return lock::new_preimage(&mut output);
    }
    let client = place::client(globals)?;
    match command {
        ClientCommand::Channel(command) => channel(&client, command, &mut output).await,
        ClientCommand::Pay(args) => pay::pay(&client, args, &mut output).await,
        ClientCommand::Lock(command) => lock::run(&client, command, &mut output).await,
        ClientCommand::Contract(command) => contract::run(&client, command, &mut output).await,
        ClientCommand::Peer(command) => peer(&client, command, &mut output).await,
        ClientCommand::Wallet(command) => wallet(&client, command, &mut output).await,
        ClientCommand::Recover { command } => {
            recover::run(&client, command.as_ref(), &mut output).await
        }
        ClientCommand::Settings { command } => {
            settings::run(&client, command.as_ref(), &mut output).await
        }
        ClientCommand::Token(command) => token::run(&client, command, &mut output).await,
        ClientCommand::Status => output.object(&client.status().await?),
        ClientCommand::Events(args) => events(&client, args, &mut output).await,
    }
}

async fn channel(
    client: &Client,
    command: &ChannelCommand,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    const COLUMNS: [&str; 5] =
        ["channel_id", "phase", "capacity_sat", "spendable_msat", "commitment_number"];
    match command {
        ChannelCommand::Open { node_id, capacity_sat, address, fee_rate_sat_per_kvb, money } => {
            let request = OpenChannelRequest {
                node_id: node_id.clone(),
                address: address.clone(),
                capacity_sat: *capacity_sat,
                fee_rate_sat_per_kvb: *fee_rate_sat_per_kvb,
            };
            match intend(money, "/v1/channels", &request, output)? {
                Intention::Send(key) => output.object(&client.open_channel(&key, &request).await?),
                Intention::Shown => Ok(()),
            }
        }
        ChannelCommand::List => output.list(&client.channels().await?, "channels", &COLUMNS),
        ChannelCommand::Show { channel_id } => output.object(&client.channel(channel_id).await?),
        ChannelCommand::Close { channel_id, force, money } => {
            let mode = if *force { CloseMode::Force } else { CloseMode::Cooperative };
            let path = format!("/v1/channels/{channel_id}/close");
            match intend(money, &path, &CloseChannelRequest { mode }, output)? {
                Intention::Send(key) => {
                    output.object(&client.close_channel(&key, channel_id, mode).await?)
                }
                Intention::Shown => Ok(()),
            }
        }
    }
}

async fn peer(
    client: &Client,
    command: &PeerCommand,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    match command {
        PeerCommand::Connect { node_id, address } => {
            let request = ConnectPeerRequest { node_id: node_id.clone(), address: address.clone() };
            output.object(&client.connect_peer(&request).await?)
        }
        PeerCommand::List => {
            let columns = ["node_id", "connection", "channels", "addresses"];
            output.list(&client.peers().await?, "peers", &columns)
        }
    }
}

async fn wallet(
    client: &Client,
    command: &WalletCommand,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    match command {
        WalletCommand::Address => {
            let answer = client.new_address().await?;
            match output.form {
                Form::Json => output.object(&answer),
                Form::Lines => output.put(&format!("{}\n", answer.address)),
            }
        }
        WalletCommand::Balance => output.object(&client.wallet().await?),
        WalletCommand::Send { address, amount, fee_rate_sat_per_kvb, money } => {
            let request = SendRequest {
                address: address.clone(),
                amount_sat: send_amount(amount)?,
                fee_rate_sat_per_kvb: *fee_rate_sat_per_kvb,
            };
            send(client, &request, money, output).await
        }
    }
}

async fn send(
    client: &Client,
    request: &SendRequest,
    money: &MoneyArgs,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    match intend(money, "/v1/wallet/sends", request, output)? {
        Intention::Send(key) => output.object(&client.send_coins(&key, request).await?),
        Intention::Shown => Ok(()),
    }
}

fn send_amount(text: &str) -> Result<SendAmount, CliError> {
    if text == "all" {
        return Ok(SendAmount::All(SendAll::All));
    }
    text.parse().map(SendAmount::Exact).map_err(|_not_a_number| CliError::Argument {
        argument: "AMOUNT_SAT",
        value: text.to_owned(),
        right: "a whole number of satoshis or the word all is right",
    })
}

async fn events(
    client: &Client,
    args: &EventsArgs,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    if args.follow {
        let mut events = client.follow_events(args.from);
        loop {
            let event = events.next().await?;
            output.line(&event)?;
        }
    }
    // Bounded by what the log holds: an empty page ends it.
    let mut from = args.from;
    loop {
        let page = client.events_page(from, EVENT_PAGE_MAX).await?;
        for event in &page.events {
            output.line(event)?;
        }
        if page.events.is_empty() || page.next_from <= from {
            return Ok(());
        }
        from = page.next_from;
    }
}
