//! `strait token`: what others may do.

use strait_api_types::{CreateTokenRequest, TokenScope};
use strait_client::Client;

use super::output::{Form, Output};
use super::{CliError, TokenCommand};

/// What a person sees of each token.
const COLUMNS: [&str; 6] =
    ["token_id", "label", "scope", "budget_sat", "spent_msat", "expires_at_ms"];

pub(super) async fn run(
    client: &Client,
    command: &TokenCommand,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    match command {
        TokenCommand::Create { scope, label, budget_sat, payment_sat_max, expires_in_s } => {
            let request = CreateTokenRequest {
                scope: *scope,
                label: label.clone(),
                budget_sat: *budget_sat,
                payment_sat_max: *payment_sat_max,
                expires_in_s: *expires_in_s,
            };
            create(client, &request, output).await
        }
        TokenCommand::List => output.list(&client.tokens().await?, "tokens", &COLUMNS),
        TokenCommand::Revoke { token_id } => output.object(&client.revoke_token(token_id).await?),
    }
}

/// The secret alone goes to stdout, so that it can go into a file that nobody else reads.
async fn create(
    client: &Client,
    request: &CreateTokenRequest,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let made = client.create_token(request).await?;
    match output.form {
        Form::Json => output.object(&made),
        Form::Lines => {
            output.say(&format!(
                "token {}: its secret follows, and is told this once",
                made.token.token_id
            ));
            output.put(&format!("{}\n", made.secret.0))
        }
    }
}

/// Reads a scope.
pub(super) fn scope(word: &str) -> Result<TokenScope, &'static str> {
    match word {
        "read" => Ok(TokenScope::Read),
        "pay" => Ok(TokenScope::Pay),
        "operate" => Ok(TokenScope::Operate),
        _ => Err("read, pay or operate is right"),
    }
}
