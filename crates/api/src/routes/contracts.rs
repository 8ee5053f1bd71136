//! `/v1/contracts` and `/v1/contracts/modules`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use strait_api_types::{
    ACTION_BYTES_MAX, ActRequest, ActResponse, BODY_BYTES_MAX, Contract, ContractList, ErrorBody,
    MODULE_BYTES_MAX, Module, ModuleList, OpenContractRequest, SettleResponse,
};
use strait_primitives::ContractId;

use crate::caller::Caller;
use crate::idempotency::{Asked, Operation, request_key};
use crate::router::{Api, Room};
use crate::routes::PathId;
use crate::{ApiError, Backend, OpenContract, body, request};

/// Room for several of the longest actions in hex; more go into more requests.
const ACTIONS_BODY_BYTES_MAX: usize = 16 * 2 * ACTION_BYTES_MAX;

/// All modules the node holds.
#[utoipa::path(get, path = "/v1/contracts/modules", tag = "contracts", responses(
    (status = 200, body = ModuleList),
    (status = "default", body = ErrorBody, description = "Failure"),
))]
pub(crate) async fn modules<B: Backend>(
    State(api): State<Api<B>>,
) -> Result<Json<ModuleList>, ApiError> {
    api.ask(Room::Questions, |node| async move { node.modules().await }).await.map(Json)
}

/// Adds a WebAssembly module of at most 4 MiB. Adding it again changes nothing.
#[utoipa::path(post, path = "/v1/contracts/modules", tag = "contracts",
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses(
        (status = 200, body = Module, description = "The node holds the module"),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn add_module<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Module>, ApiError> {
    let wasm = body::wasm(&caller, &headers, body, MODULE_BYTES_MAX).await?;
    api.ask(Room::Work, |node| async move { node.add_module(wasm).await }).await.map(Json)
}

/// All contracts, settled ones included.
#[utoipa::path(get, path = "/v1/contracts", tag = "contracts", responses(
    (status = 200, body = ContractList),
    (status = "default", body = ErrorBody, description = "Failure"),
))]
pub(crate) async fn contracts<B: Backend>(
    State(api): State<Api<B>>,
) -> Result<Json<ContractList>, ApiError> {
    api.ask(Room::Questions, |node| async move { node.contracts().await }).await.map(Json)
}

/// One contract.
#[utoipa::path(get, path = "/v1/contracts/{contract_id}", tag = "contracts",
    params(("contract_id" = String, Path, description = "The contract, in hex")),
    responses(
        (status = 200, body = Contract),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn contract<B: Backend>(
    State(api): State<Api<B>>,
    PathId(contract): PathId<ContractId>,
) -> Result<Json<Contract>, ApiError> {
    api.ask(Room::Questions, |node| async move { node.contract(contract).await }).await.map(Json)
}

/// Opens a contract in a channel. Opener and acceptor are those of the channel, whichever side opens the contract.
#[utoipa::path(post, path = "/v1/contracts", tag = "contracts", request_body = OpenContractRequest,
    params(("Idempotency-Key" = String, Header, description = "New for each intention, the same when asking again")),
    responses(
        (status = 200, body = Contract, description = "The contract is open, irrevocably"),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn open_contract<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Contract>, ApiError> {
    let key = request_key(Operation::OpenContract, &caller, &headers)?;
    let (raw, body): (OpenContractRequest, Bytes) =
        body::json(&caller, &headers, body, BODY_BYTES_MAX).await?;
    let request = OpenContract { payer: caller.payer(), ..OpenContract::try_from(raw)? };
    let (opener, acceptor) = (request.collateral_opener, request.collateral_acceptor);
    caller.note_sides(opener, acceptor, request.channel.to_string());
    let asked = Asked::new(key, &[&body]);
    api.ask_once(Room::Work, asked, |node| async move { node.open_contract(key, request).await })
        .await
        .map(Json)
}

/// Applies one action or several in order, all or none.
#[utoipa::path(post, path = "/v1/contracts/{contract_id}/actions", tag = "contracts",
    request_body = ActRequest,
    params(
        ("contract_id" = String, Path, description = "The contract, in hex"),
        ("Idempotency-Key" = String, Header, description = "New for each intention, the same when asking again"),
    ),
    responses(
        (status = 200, body = ActResponse, description = "The actions are irrevocable"),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn act<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    PathId(contract): PathId<ContractId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ActResponse>, ApiError> {
    let key = request_key(Operation::Act, &caller, &headers)?;
    let (raw, body): (ActRequest, Bytes) =
        body::json(&caller, &headers, body, ACTIONS_BODY_BYTES_MAX).await?;
    caller.note(None, contract.to_string());
    let actions = request::actions(raw)?;
    let asked = Asked::new(key, &[contract.as_bytes(), &body]);
    api.ask_once(Room::Work, asked, |node| async move { node.act(key, contract, actions).await })
        .await
        .map(Json)
}

/// Settles a contract whose state is final.
#[utoipa::path(post, path = "/v1/contracts/{contract_id}/settle", tag = "contracts",
    params(
        ("contract_id" = String, Path, description = "The contract, in hex"),
        ("Idempotency-Key" = String, Header, description = "New for each intention, the same when asking again"),
    ),
    responses(
        (status = 200, body = SettleResponse, description = "The collateral is back, irrevocably"),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn settle<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    PathId(contract): PathId<ContractId>,
    headers: HeaderMap,
) -> Result<Json<SettleResponse>, ApiError> {
    caller.note(None, contract.to_string());
    let key = request_key(Operation::Settle, &caller, &headers)?;
    let asked = Asked::new(key, &[contract.as_bytes()]);
    api.ask_once(Room::Work, asked, |node| async move { node.settle(key, contract).await })
        .await
        .map(Json)
}
