//! The REST interface: `/v1` over HTTP/1.1, and the small server for metrics and health beside it.
//!
//! The binary builds a [`Backend`] around the runtime and hands it to [`Server`]; nobody else calls in here. Every
//! handler has three steps: parse (JSON, path and headers become domain types, once), ask (the backend), map (the
//! answer becomes JSON, and a failure takes its status from the table in `strait-api-types`).
//!
//! Laws of this crate:
//! - every request carries a bearer token; without one nothing is parsed and nothing is told;
//! - a request that moves money carries an idempotency key, and once the backend has been asked, neither a
//!   time limit nor a vanished caller takes the question back: the caller asks again with the same key;
//! - what waits for peers never takes the room of questions and closings;
//! - every failure answers `{"error":{"code","message","hint"}}`, whoever notices it.
//!
//! **Invariant:** nothing here decides about money, touches the log or knows a key. Internal causes go to the node's
//! log, never into an answer.

mod answered;
mod audit;
mod backend;
mod body;
mod caller;
mod connections;
mod error;
mod health;
mod idempotency;
mod limits;
mod openapi;
mod rate;
mod receipts;
mod request;
mod router;
mod routes;
#[cfg(any(test, feature = "test-util"))]
pub mod scripted;
mod server;
mod tls;
pub mod token;
mod traced;
mod waiting;

pub use answered::{Answered, OnAnswer};
pub use audit::{AuditError, AuditLog};
pub use backend::{Backend, Follow};
pub use caller::{Credential, Scope, Standing};
pub use error::ApiError;
pub use health::{Cause, HealthServer, Verdict, Vitals};
pub use openapi::openapi_json;
pub use rate::{Admission, AdmissionSettings};
pub use request::lock::{LockQuery, OfferLock};
pub use request::token::{Grant, NewToken};
pub use request::{
    ConnectPeer, ContractTerms, OpenChannel, OpenContract, Pay, Payment, Recover, SendCoins,
    SendHowMuch,
};
pub use server::{Listen, Options, Server, ServerError};
pub use tls::{Tls, TlsError, TlsFiles};
