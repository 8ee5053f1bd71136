//! The handlers, one file for each part of `/v1`. Each parses, asks and maps; none decides.

pub(crate) mod channels;
pub(crate) mod contracts;
pub(crate) mod events;
pub(crate) mod locks;
pub(crate) mod node;
pub(crate) mod payments;
pub(crate) mod recovery;
pub(crate) mod settings;
pub(crate) mod tokens;
pub(crate) mod wallet;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use strait_primitives::ParseHexError;

use crate::{ApiError, request};

/// The one id in a path.
pub(crate) struct PathId<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for PathId<T>
where
    S: Send + Sync,
    T: core::str::FromStr<Err = ParseHexError>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::invalid_field("id", &error.body_text(), "give it as hex"))?;
        request::id("id", &text).map(PathId)
    }
}
