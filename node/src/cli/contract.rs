//! `strait contract`: modules and contracts.

use std::fs;

use strait_api_types::{ActRequest, ContractLimits, OpenContractRequest};
use strait_client::Client;

use super::money::{Intention, intend};
use super::output::Output;
use super::{CliError, ContractCommand};

pub(super) async fn run(
    client: &Client,
    command: &ContractCommand,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    const COLUMNS: [&str; 5] = [
        "contract_id",
        "phase",
        "outcome_holder_msat",
        "outcome_counterparty_msat",
        "commitment_number",
    ];
    match command {
        ContractCommand::Add { file } => {
            let wasm =
                fs::read(file).map_err(|source| CliError::Read { path: file.clone(), source })?;
            output.object(&client.add_module(wasm).await?)
        }
        ContractCommand::Modules => {
            output.list(&client.modules().await?, "modules", &["module_hash", "size_bytes"])
        }
        ContractCommand::Open {
            channel_id,
            module_hash,
            collateral_opener_msat,
            collateral_acceptor_msat,
            params,
            money,
        } => {
            let request = OpenContractRequest {
                channel_id: channel_id.clone(),
                module_hash: module_hash.clone(),
                params_hex: params.clone(),
                collateral_opener_msat: *collateral_opener_msat,
                collateral_acceptor_msat: *collateral_acceptor_msat,
                limits: ContractLimits::default(),
            };
            match intend(money, "/v1/contracts", &request, output)? {
                Intention::Send(key) => output.object(&client.open_contract(&key, &request).await?),
                Intention::Shown => Ok(()),
            }
        }
        ContractCommand::Act { contract_id, actions, money } => {
            let request = match actions.as_slice() {
                [action] => ActRequest::single(action.clone()),
                several => ActRequest::batch(several.to_vec()),
            };
            let path = format!("/v1/contracts/{contract_id}/actions");
            match intend(money, &path, &request, output)? {
                Intention::Send(key) => {
                    output.object(&client.act(&key, contract_id, &request).await?)
                }
                Intention::Shown => Ok(()),
            }
        }
        ContractCommand::Show { contract_id } => {
            output.object(&client.contract(contract_id).await?)
        }
        ContractCommand::Settle { contract_id, money } => {
            let path = format!("/v1/contracts/{contract_id}/settle");
            match intend(money, &path, &serde_json::Map::new(), output)? {
                Intention::Send(key) => output.object(&client.settle(&key, contract_id).await?),
                Intention::Shown => Ok(()),
            }
        }
        ContractCommand::List => output.list(&client.contracts().await?, "contracts", &COLUMNS),
    }
}
