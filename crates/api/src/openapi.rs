//! The OpenAPI document: made from the handlers and types, checked in at `docs/api/openapi.json`, held equal by a test.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::routes::{
    channels, contracts, events, locks, node, payments, recovery, settings, tokens, wallet,
};

/// Collects the paths; their schemas come along.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Strait",
        description = "A Bitcoin payment-channel node for services. Money is whole integers with the unit in the \
            name; ids and bytes are lower-case hex. Every request carries the bearer token; every failure answers \
            with an error body."
    ),
    paths(
        node::status,
        settings::settings,
        settings::change_settings,
        node::peers,
        node::connect_peer,
        channels::channels,
        channels::open_channel,
        channels::channel,
        channels::close_channel,
        recovery::recoveries,
        recovery::recover,
        payments::pay,
        locks::locks,
        locks::offer_lock,
        locks::lock,
        locks::claim_lock,
        locks::cancel_lock,
        contracts::modules,
        contracts::add_module,
        contracts::contracts,
        contracts::open_contract,
        contracts::contract,
        contracts::act,
        contracts::settle,
        wallet::wallet,
        wallet::new_address,
        wallet::send_coins,
        events::events,
        tokens::tokens,
        tokens::create_token,
        tokens::revoke_token,
    ),
    components(schemas(strait_api_types::Event)),
    modifiers(&BearerToken),
    security(("token" = []))
)]
struct Document;

/// Adds the bearer token to the document.
struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "The content of the node's token file, or a token made by POST /v1/tokens",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(token));
    }
}

/// The OpenAPI document of `/v1` as indented JSON with a final line feed.
///
/// # Panics
/// Never: the document is made of strings.
#[must_use]
pub fn openapi_json() -> String {
    let mut json = Document::openapi().to_pretty_json().expect("the document is made of strings");
    json.push('\n');
    json
}
