//! One method for each endpoint of `/v1`.

use hyper::Method;
use strait_api_types::{
    ActRequest, ActResponse, AddressResponse, ChangeSettingsRequest, Channel, ChannelList,
    CloseChannelRequest, CloseMode, ConnectPeerRequest, Contract, ContractList, EventPage, Module,
    ModuleList, OpenChannelRequest, OpenContractRequest, PaymentRequest, PaymentResponse, Peer,
    PeerList, RecoverRequest, Recovery, RecoveryList, SendRequest, SendResponse, SettingList,
    SettleResponse, StatusResponse, WalletResponse,
};

use crate::client::Content;
use crate::{Client, ClientError, EventStream, IdempotencyKey};

/// Every method fails with the [`ClientError`] that says how far the request got.
#[expect(clippy::missing_errors_doc, reason = "said once, above, for all of them")]
impl Client {
    /// The node at a glance.
    pub async fn status(&self) -> Result<StatusResponse, ClientError> {
        self.get("/v1/status").await
    }

    /// What the node runs with.
    pub async fn settings(&self) -> Result<SettingList, ClientError> {
        self.get("/v1/settings").await
    }

    /// Changes settings while the node runs, all or none; answers with these.
    pub async fn change_settings(
        &self,
        request: &ChangeSettingsRequest,
    ) -> Result<SettingList, ClientError> {
        self.ask(Method::PATCH, "/v1/settings", None, Content::json(request)).await
    }

    /// All peers.
    pub async fn peers(&self) -> Result<PeerList, ClientError> {
        self.get("/v1/peers").await
    }

    /// Connects to a peer; answers when the connection stands.
    pub async fn connect_peer(&self, request: &ConnectPeerRequest) -> Result<Peer, ClientError> {
        self.ask(Method::POST, "/v1/peers", None, Content::json(request)).await
    }

    /// All channels.
    pub async fn channels(&self) -> Result<ChannelList, ClientError> {
        self.get("/v1/channels").await
    }

    /// One channel.
    pub async fn channel(&self, channel_id: &str) -> Result<Channel, ClientError> {
        self.get(&format!("/v1/channels/{}", segment(channel_id))).await
    }

    /// Opens a channel; answers when the opening is durable.
    pub async fn open_channel(
        &self,
        key: &IdempotencyKey,
        request: &OpenChannelRequest,
    ) -> Result<Channel, ClientError> {
        self.ask(Method::POST, "/v1/channels", Some(key), Content::json(request)).await
    }

    /// Closes a channel; answers when the decision is durable.
    pub async fn close_channel(
        &self,
        key: &IdempotencyKey,
        channel_id: &str,
        mode: CloseMode,
    ) -> Result<Channel, ClientError> {
        let path = format!("/v1/channels/{}/close", segment(channel_id));
        let content = Content::json(&CloseChannelRequest { mode });
        self.ask(Method::POST, &path, Some(key), content).await
    }

    /// All channels whose state is not trusted.
    pub async fn recoveries(&self) -> Result<RecoveryList, ClientError> {
        self.get("/v1/recovery").await
    }

    /// Says how such a channel is to end; answers when the choice is durable.
    pub async fn recover(
        &self,
        key: &IdempotencyKey,
        channel_id: &str,
        request: &RecoverRequest,
    ) -> Result<Recovery, ClientError> {
        let path = format!("/v1/recovery/{}", segment(channel_id));
        self.ask(Method::POST, &path, Some(key), Content::json(request)).await
    }

    /// Pays once or in a batch; answers when it is irrevocable.
    pub async fn pay(
        &self,
        key: &IdempotencyKey,
        request: &PaymentRequest,
    ) -> Result<PaymentResponse, ClientError> {
        self.ask(Method::POST, "/v1/payments", Some(key), Content::json(request)).await
    }

    /// All modules.
    pub async fn modules(&self) -> Result<ModuleList, ClientError> {
        self.get("/v1/contracts/modules").await
    }

    /// Adds a WebAssembly module.
    pub async fn add_module(&self, wasm: Vec<u8>) -> Result<Module, ClientError> {
        self.ask(Method::POST, "/v1/contracts/modules", None, Content::Wasm(wasm)).await
    }

    /// All contracts.
    pub async fn contracts(&self) -> Result<ContractList, ClientError> {
        self.get("/v1/contracts").await
    }

    /// One contract.
    pub async fn contract(&self, contract_id: &str) -> Result<Contract, ClientError> {
        self.get(&format!("/v1/contracts/{}", segment(contract_id))).await
    }

    /// Opens a contract; answers when its opening is irrevocable.
    pub async fn open_contract(
        &self,
        key: &IdempotencyKey,
        request: &OpenContractRequest,
    ) -> Result<Contract, ClientError> {
        self.ask(Method::POST, "/v1/contracts", Some(key), Content::json(request)).await
    }

    /// Applies one action or several; answers when they are irrevocable.
    pub async fn act(
        &self,
        key: &IdempotencyKey,
        contract_id: &str,
        request: &ActRequest,
    ) -> Result<ActResponse, ClientError> {
        let path = format!("/v1/contracts/{}/actions", segment(contract_id));
        self.ask(Method::POST, &path, Some(key), Content::json(request)).await
    }

    /// Settles a contract; answers when that is irrevocable.
    pub async fn settle(
        &self,
        key: &IdempotencyKey,
        contract_id: &str,
    ) -> Result<SettleResponse, ClientError> {
        let path = format!("/v1/contracts/{}/settle", segment(contract_id));
        self.ask(Method::POST, &path, Some(key), Content::Nothing).await
    }

    /// The wallet's balance.
    pub async fn wallet(&self) -> Result<WalletResponse, ClientError> {
        self.get("/v1/wallet").await
    }

    /// A fresh address.
    pub async fn new_address(&self) -> Result<AddressResponse, ClientError> {
        self.ask(Method::POST, "/v1/wallet/addresses", None, Content::Nothing).await
    }

    /// Pays on the chain; answers when the transaction is durable and on its way.
    pub async fn send_coins(
        &self,
        key: &IdempotencyKey,
        request: &SendRequest,
    ) -> Result<SendResponse, ClientError> {
        self.ask(Method::POST, "/v1/wallet/sends", Some(key), Content::json(request)).await
    }

    /// One page of events from a place in the log on.
    pub async fn events_page(&self, from: u64, limit: u32) -> Result<EventPage, ClientError> {
        self.get(&format!("/v1/events?from={from}&limit={limit}")).await
    }

    /// Events from a place in the log on, without end; reconnects by itself.
    #[must_use]
    pub fn follow_events(&self, from: u64) -> EventStream {
        EventStream::new(self.clone(), from)
    }

    pub(crate) async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<T, ClientError> {
        self.ask(Method::GET, path, None, Content::Nothing).await
    }
}

/// A text as one segment of a path or one value of a query: what an id never holds is escaped, and the node refuses it by name.
pub(crate) fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
        path
    })
}
