//! Errors as bitcoind numbers them.

use serde_json::{Value, json};
use thiserror::Error;

use crate::reject::{Reject, RejectKind};

/// The error codes of bitcoind that this server uses (`src/rpc/protocol.h` there).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RpcCode {
    /// The request is not one.
    InvalidRequest,
    /// There is no such method.
    MethodNotFound,
    /// The request is not JSON.
    Parse,
    /// Parameters are missing or too many.
    Misc,
    /// A parameter has the wrong JSON type.
    Type,
    /// No such address, block or transaction.
    InvalidAddressOrKey,
    /// A parameter is out of range.
    InvalidParameter,
    /// A transaction does not parse.
    Deserialization,
    /// A transaction could not be submitted.
    Verify,
    /// A transaction was refused.
    VerifyRejected,
    /// A transaction is confirmed already.
    AlreadyInUtxoSet,
}

impl RpcCode {
    /// The number on the wire.
    pub(crate) const fn to_i32(self) -> i32 {
        match self {
            Self::InvalidRequest => -32_600,
            Self::MethodNotFound => -32_601,
            Self::Parse => -32_700,
            Self::Misc => -1,
            Self::Type => -3,
            Self::InvalidAddressOrKey => -5,
            Self::InvalidParameter => -8,
            Self::Deserialization => -22,
            Self::Verify => -25,
            Self::VerifyRejected => -26,
            Self::AlreadyInUtxoSet => -27,
        }
    }
}

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message} (code {})", code.to_i32())]
pub(crate) struct RpcError {
    /// The code.
    pub(crate) code: RpcCode,
    /// The message.
    pub(crate) message: String,
}

impl RpcError {
    /// An error with this code and message.
    pub(crate) fn new(code: RpcCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// There is no such method.
    pub(crate) fn method_not_found() -> Self {
        Self::new(RpcCode::MethodNotFound, "Method not found")
    }

    /// There is no such block.
    pub(crate) fn block_not_found() -> Self {
        Self::new(RpcCode::InvalidAddressOrKey, "Block not found")
    }

    /// A parameter is out of range.
    pub(crate) fn parameter(message: impl Into<String>) -> Self {
        Self::new(RpcCode::InvalidParameter, message)
    }

    /// As it stands in an answer.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "code": self.code.to_i32(), "message": self.message })
    }
}

impl From<Reject> for RpcError {
    fn from(reject: Reject) -> Self {
        let code = match reject.kind {
            RejectKind::MissingInputs => RpcCode::Verify,
            RejectKind::Fee | RejectKind::Rule => RpcCode::VerifyRejected,
        };
        Self::new(code, reject.to_string())
    }
}
