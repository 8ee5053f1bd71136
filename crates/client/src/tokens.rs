//! The endpoints of `/v1/tokens`.

use hyper::Method;
use strait_api_types::{CreateTokenRequest, CreateTokenResponse, Token, TokenList};

use crate::client::Content;
use crate::{Client, ClientError};

/// Every method fails with the [`ClientError`] that says how far the request got.
#[expect(clippy::missing_errors_doc, reason = "said once, above, for all of them")]
impl Client {
    /// All tokens, without their secrets.
    pub async fn tokens(&self) -> Result<TokenList, ClientError> {
        self.ask(Method::GET, "/v1/tokens", None, Content::Nothing).await
    }

    /// Makes a token; its secret is in this answer and nowhere else.
    pub async fn create_token(
        &self,
        request: &CreateTokenRequest,
    ) -> Result<CreateTokenResponse, ClientError> {
        self.ask(Method::POST, "/v1/tokens", None, Content::json(request)).await
    }

    /// Makes a token good for nothing.
    pub async fn revoke_token(&self, token_id: &str) -> Result<Token, ClientError> {
        let path = format!("/v1/tokens/{}", crate::endpoints::segment(token_id));
        self.ask(Method::DELETE, &path, None, Content::Nothing).await
    }
}
