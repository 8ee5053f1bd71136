//! The REST interface's JSON: requests up to their domain types, and the answers and events that clients read.

use serde::Serialize;
use serde::de::DeserializeOwned;
use strait_api::{ConnectPeer, OpenChannel, OpenContract, Pay, SendCoins};
use strait_api_types as json;

/// By the first byte, reads the rest as one of the forms of `/v1`. What can be read is the same after it was written and
/// read once more, and a request turns into its domain type or is refused.
///
/// # Panics
/// If that promise is broken.
pub fn api_request(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    match choice % 16 {
        0 => ask::<json::ConnectPeerRequest, ConnectPeer>(text),
        1 => ask::<json::OpenChannelRequest, OpenChannel>(text),
        2 => ask::<json::PaymentRequest, Pay>(text),
        3 => ask::<json::OpenContractRequest, OpenContract>(text),
        4 => ask::<json::SendRequest, SendCoins>(text),
        5 => drop(read::<json::CloseChannelRequest>(text)),
        6 => drop(read::<json::ActRequest>(text)),
        7 => drop(read::<json::EventPage>(text)),
        8 => drop(read::<json::ErrorBody>(text)),
        9 => drop(read::<json::StatusResponse>(text)),
        10 => drop(read::<json::ChannelList>(text)),
        11 => drop(read::<json::ContractList>(text)),
        12 => drop(read::<json::PeerList>(text)),
        13 => drop(read::<json::WalletResponse>(text)),
        14 => drop(read::<json::PaymentResponse>(text)),
        _ => drop(read::<json::ModuleList>(text)),
    }
}

/// Reads a form, and checks that writing and reading it changes nothing.
fn read<T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug>(text: &[u8]) -> Option<T> {
    let form: T = serde_json::from_slice(text).ok()?;
    let written = serde_json::to_vec(&form).expect("every form can be written");
    let again: T = serde_json::from_slice(&written).expect("what we write can be read");
    assert_eq!(again, form, "reading undoes writing");
    Some(form)
}

/// Reads a request and lets its domain type judge it.
fn ask<T, D>(text: &[u8])
where
    T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug,
    D: TryFrom<T, Error = strait_api::ApiError>,
{
    if let Some(form) = read::<T>(text) {
        drop(D::try_from(form));
    }
}
