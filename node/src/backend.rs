//! The node behind the interface: each question becomes a command of the engine, each answer the interface's own types.
//!
//! Nothing is decided here. The engine decides; the log remembers; this translates.

mod answers;
mod locks;
mod refusals;
mod settings;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use strait_api::{
    ApiError, Backend, ConnectPeer, Credential, Follow, LockQuery, NewToken, OfferLock,
    OpenChannel, OpenContract, Pay, Recover, SendCoins, SendHowMuch,
};
use strait_api_types::{
    ActResponse, AddressResponse, ChainState, ChainStatus, ChangeSettingsRequest, Channel,
    ChannelCounts, ChannelList, CloseMode, Contract, ContractList, ErrorCode, Event, Lock,
    LockList, LogStatus, Module, ModuleList, PaymentResponse, Peer, PeerConnection, PeerList,
    Recovery, RecoveryList, SendResponse, SettingList, SettleResponse, StatusResponse, Token,
    TokenList, WalletResponse,
};
use strait_contract::{Collateral, ContractRuntime, Limits, MemoryPages, Params};
use strait_engine::{
    Answer, ChannelView, Command, ContractView, LockKey, Payment, PaymentDone, RecoveryChoice,
    SendAmount,
};
use strait_primitives::{
    ChannelId, ContractId, EventSeq, ModuleHash, NodeId, Preimage, RequestKey, Timestamp, TokenId,
};
use strait_runtime::Handle;
use strait_store_sqlite::Reader;
use strait_telemetry::{Component, Health, Metrics, Standing};
use strait_wire::{ContractBytes, Reference};

use self::answers::{channel_answer, contract_answer, count, peer_answer, recovery_answer};
use self::locks::lock_answer;
pub(crate) use self::locks::reason_of;
use self::refusals::{refused, wrong_kind};
pub(crate) use self::tokens::TokenTable;
use self::tokens::charged_to;
use crate::config::Network;
use crate::feed;
use crate::live::LiveSettings;
use crate::module_files::{ModuleFileError, ModuleFiles};

/// Bytes of one page of a contract's memory.
const PAGE_BYTES: u32 = 64 * 1024;
/// How often the engine is asked whether it has heard of a connection that stands.
const CONNECTED_LOOKS_MAX: u32 = 100;
/// The pause between two such questions.
const CONNECTED_LOOK: Duration = Duration::from_millis(10);

/// What questions are answered from.
#[derive(Clone)]
pub(crate) struct NodeBackend {
    pub(crate) handle: Handle,
    pub(crate) tokens: Arc<TokenTable>,
    pub(crate) contracts: Arc<dyn ContractRuntime>,
    pub(crate) files: ModuleFiles,
    pub(crate) reader: Reader,
    /// What event streams have had to look up.
    pub(crate) past: Arc<feed::Past>,
    pub(crate) net: strait_net::Handle,
    pub(crate) health: Arc<Health>,
    pub(crate) settings: Arc<LiveSettings>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) node: NodeId,
    pub(crate) network: Network,
    pub(crate) started: Timestamp,
}

impl NodeBackend {
    async fn ask(&self, command: Command) -> Result<Answer, ApiError> {
        self.handle.ask(command).await.map_err(|error| refused(&error))
    }

    async fn ask_channel(&self, command: Command) -> Result<ChannelView, ApiError> {
        let Answer::Channel(view) = self.ask(command).await? else { return Err(wrong_kind()) };
        Ok(*view)
    }

    async fn ask_contract(&self, command: Command) -> Result<ContractView, ApiError> {
        let Answer::Contract(view) = self.ask(command).await? else { return Err(wrong_kind()) };
        Ok(*view)
    }

    async fn ask_done(&self, command: Command) -> Result<PaymentDone, ApiError> {
        let Answer::Done(done) = self.ask(command).await? else { return Err(wrong_kind()) };
        Ok(done)
    }

    async fn channel_of(&self, channel: ChannelId) -> Result<ChannelView, ApiError> {
        self.ask_channel(Command::Channel(channel)).await
    }

    /// The peer, once the engine knows that its connection stands: whoever is told so may use it at once.
    async fn connected_peer(&self, node: NodeId) -> Result<Peer, ApiError> {
        let id = node.to_string();
        let mut looks = 0;
        loop {
            let peers = self.peers().await?.peers;
            let peer = peers.into_iter().find(|peer| peer.node_id == id);
            let peer = peer.ok_or_else(refusals::gone)?;
            looks += 1;
            // A connection that broke again at once is the peer's state like any other.
            if peer.connection == PeerConnection::Connected || looks == CONNECTED_LOOKS_MAX {
                return Ok(peer);
            }
            tokio::time::sleep(CONNECTED_LOOK).await;
        }
    }

    fn chain_state(&self) -> ChainState {
        let now = crate::production::now();
        let chain = self.health.overview(now).into_iter().find(|c| c.component == Component::Chain);
        match chain.map(|cause| cause.standing) {
            None | Some(Standing::Healthy | Standing::Degraded) => ChainState::Synced,
            Some(Standing::Starting | Standing::Behind) => ChainState::Syncing,
            Some(Standing::Unhealthy | Standing::Halted) => ChainState::Unreachable,
        }
    }
}

impl Backend for NodeBackend {
    type Events = BoxStream<'static, Result<Event, ApiError>>;

    fn credential(&self, id: TokenId) -> Option<Credential> {
        self.find_credential(id)
    }

    async fn tokens(&self) -> Result<TokenList, ApiError> {
        self.list_tokens().await
    }

    async fn create_token(&self, request: NewToken) -> Result<Token, ApiError> {
        self.issue_token(request).await
    }

    async fn revoke_token(&self, id: TokenId) -> Result<Token, ApiError> {
        self.drop_token(id).await
    }

    async fn status(&self) -> Result<StatusResponse, ApiError> {
        let Answer::Status(view) = self.ask(Command::Status).await? else {
            return Err(wrong_kind());
        };
        let head = *self.handle.durable().borrow();
        Ok(StatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node_id: self.node.to_string(),
            listen_addresses: self.net.listen_addresses().iter().map(ToString::to_string).collect(),
            chain: ChainStatus {
                network: answers::network(self.network),
                state: self.chain_state(),
                tip_height: view.height.to_u32(),
                tip_hash: view.block.to_string(),
            },
            channels: ChannelCounts {
                opening: count(view.channels_opening + view.channels_awaiting_funding),
                open: count(view.channels_open),
                closing: count(
                    view.channels_closing
                        + view.channels_force_closing
                        + view.channels_lost
                        + view.channels_quarantined,
                ),
                closed: count(view.channels_closed),
            },
            peers_connected: count(view.peers_connected),
            contracts_open: count(view.contracts_open),
            log: LogStatus { head_seq: head.to_u64(), size_bytes: feed::size_bytes(&self.reader) },
            started_at_ms: self.started.to_unix_ms(),
        })
    }

    async fn settings(&self) -> Result<SettingList, ApiError> {
        Ok(settings::list(&self.settings))
    }

    async fn change_settings(
        &self,
        request: ChangeSettingsRequest,
    ) -> Result<SettingList, ApiError> {
        settings::change(&self.settings, request)
    }

    async fn peers(&self) -> Result<PeerList, ApiError> {
        let Answer::Peers(peers) = self.ask(Command::Peers).await? else {
            return Err(wrong_kind());
        };
        Ok(PeerList { peers: peers.iter().map(peer_answer).collect() })
    }

    async fn connect_peer(&self, request: ConnectPeer) -> Result<Peer, ApiError> {
        let ConnectPeer { node, address } = request;
        let parsed: strait_net::Address =
            address.parse().map_err(|error| refusals::address(&address, &error))?;
        self.ask(Command::ConnectPeer { node, address }).await?;
        // The node stays connected from now on; this first dial only tells the asker at once whether it works.
        self.net
            .connect(node, parsed)
            .await
            .map_err(|error| refusals::unreachable(node, &error))?;
        self.connected_peer(node).await
    }

    async fn channels(&self) -> Result<ChannelList, ApiError> {
        let Answer::Channels(views) = self.ask(Command::Channels).await? else {
            return Err(wrong_kind());
        };
        Ok(ChannelList { channels: views.iter().map(channel_answer).collect() })
    }

    async fn channel(&self, channel: ChannelId) -> Result<Channel, ApiError> {
        Ok(channel_answer(&self.channel_of(channel).await?))
    }

    async fn open_channel(
        &self,
        key: RequestKey,
        request: OpenChannel,
    ) -> Result<Channel, ApiError> {
        let OpenChannel { node, address, capacity, fee_rate } = request;
        // A peer that cannot be reached now is no answer: an earlier request with this key may have opened the channel.
        let connected = match address {
            Some(address) => self.connect_peer(ConnectPeer { node, address }).await.map(drop),
            None => Ok(()),
        };
        let command = Command::OpenChannel { key, node, capacity, fee_rate };
        match self.ask_channel(command).await {
            Ok(view) => Ok(channel_answer(&view)),
            Err(refusal) if refusal.code() == ErrorCode::PeerUnreachable => {
                Err(connected.err().unwrap_or(refusal))
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn close_channel(
        &self,
        key: RequestKey,
        channel: ChannelId,
        mode: CloseMode,
    ) -> Result<Channel, ApiError> {
        let mode = match mode {
            CloseMode::Cooperative => strait_engine::CloseMode::Cooperative,
            CloseMode::Force => strait_engine::CloseMode::Force,
        };
        let command = Command::CloseChannel { key, channel, mode };
        Ok(channel_answer(&self.ask_channel(command).await?))
    }

    async fn recoveries(&self) -> Result<RecoveryList, ApiError> {
        let Answer::Recoveries(views) = self.ask(Command::Recoveries).await? else {
            return Err(wrong_kind());
        };
        Ok(RecoveryList { channels: views.iter().map(recovery_answer).collect() })
    }

    async fn recover(
        &self,
        _key: RequestKey,
        channel: ChannelId,
        request: Recover,
    ) -> Result<Recovery, ApiError> {
        // Each choice is idempotent by itself: its key decides nothing.
        let choice = match request {
            Recover::AskPeer => RecoveryChoice::AskPeer,
            Recover::ApproveClose { at_least } => RecoveryChoice::ApproveClose { at_least },
            Recover::AcceptLoss { may_lose } => RecoveryChoice::AcceptLoss { may_lose },
        };
        let Answer::Recovery(view) = self.ask(Command::Recover { channel, choice }).await? else {
            return Err(wrong_kind());
        };
        Ok(recovery_answer(&view))
    }

    async fn pay(&self, key: RequestKey, request: Pay) -> Result<PaymentResponse, ApiError> {
        let Pay { payer, channel, payments, total } = request;
        let begun = crate::production::clock();
        let mut list = Vec::with_capacity(payments.len());
        for payment in payments {
            let reference = payment.reference.unwrap_or_default();
            let reference =
                Reference::new(reference.into_bytes()).ok_or_else(refusals::reference)?;
            list.push(Payment { amount: payment.amount, reference });
        }
        let command = Command::Pay { key, channel, payments: list };
        let done = self.ask_done(charged_to(payer, command)).await?;
        self.metrics.payment_took(begun.elapsed());
        Ok(PaymentResponse {
            channel_id: channel.to_string(),
            commitment_number: done.number.to_u64(),
            first_index: done.first_index,
            count: done.count,
            total_msat: total.to_msat(),
        })
    }

    async fn locks(&self, query: LockQuery) -> Result<LockList, ApiError> {
        self.lock_page(query).await
    }

    async fn lock(&self, lock: LockKey) -> Result<Lock, ApiError> {
        Ok(lock_answer(&self.ask_lock(Command::Lock(lock)).await?))
    }

    async fn offer_lock(&self, key: RequestKey, request: OfferLock) -> Result<Lock, ApiError> {
        self.offer(key, request).await
    }

    async fn claim_lock(
        &self,
        key: RequestKey,
        lock: LockKey,
        preimage: Preimage,
    ) -> Result<Lock, ApiError> {
        self.claim(key, lock, preimage).await
    }

    async fn cancel_lock(&self, key: RequestKey, lock: LockKey) -> Result<Lock, ApiError> {
        self.cancel(key, lock).await
    }

    async fn modules(&self) -> Result<ModuleList, ApiError> {
        let Answer::Modules(modules) = self.ask(Command::Modules).await? else {
            return Err(wrong_kind());
        };
        let module = |(module, size_bytes): (ModuleHash, u64)| Module {
            module_hash: module.to_string(),
            size_bytes,
        };
        Ok(ModuleList { modules: modules.into_iter().map(module).collect() })
    }

    async fn add_module(&self, wasm: Bytes) -> Result<Module, ApiError> {
        let size_bytes = wasm.len() as u64;
        let (files, contracts) = (self.files.clone(), Arc::clone(&self.contracts));
        // Compiling takes a while, and files block.
        let added = tokio::task::spawn_blocking(move || files.add(contracts.as_ref(), &wasm)).await;
        let module = match added {
            Ok(Ok(module)) => module,
            Ok(Err(ModuleFileError::Load(error))) => return Err(refusals::module(&error)),
            Ok(Err(error)) => return Err(ApiError::internal(&error)),
            Err(error) => return Err(ApiError::internal(&error)),
        };
        self.ask(Command::AddModule { module, size_bytes }).await?;
        Ok(Module { module_hash: module.to_string(), size_bytes })
    }

    async fn contracts(&self) -> Result<ContractList, ApiError> {
        let Answer::Contracts(views) = self.ask(Command::Contracts).await? else {
            return Err(wrong_kind());
        };
        let mut contracts = Vec::with_capacity(views.len());
        for view in views {
            let channel = self.channel_of(view.channel).await?;
            contracts.push(contract_answer(&view, &channel));
        }
        Ok(ContractList { contracts })
    }

    async fn contract(&self, contract: ContractId) -> Result<Contract, ApiError> {
        let view = self.ask_contract(Command::Contract(contract)).await?;
        let channel = self.channel_of(view.channel).await?;
        Ok(contract_answer(&view, &channel))
    }

    async fn open_contract(
        &self,
        key: RequestKey,
        request: OpenContract,
    ) -> Result<Contract, ApiError> {
        let OpenContract { payer, channel, module, params, terms, .. } = request;
        let (collateral_opener, collateral_acceptor) =
            (request.collateral_opener, request.collateral_acceptor);
        let mut limits = Limits::default();
        if let Some(fuel) = terms.fuel_per_call {
            limits.fuel_per_call = fuel;
        }
        if let Some(bytes) = terms.memory_bytes {
            limits.memory = MemoryPages(bytes.div_ceil(PAGE_BYTES));
        }
        if let Some(bytes) = terms.state_bytes {
            limits.state_bytes = bytes;
        }
        limits.check().map_err(|error| refusals::limits(&error))?;
        let params = Params::new(&params).map_err(|error| refusals::params(&error))?;
        let collateral = Collateral::new(collateral_opener, collateral_acceptor)
            .map_err(|error| refusals::collateral(&error))?;
        let command = Command::OpenContract { key, channel, module, params, collateral, limits };
        let view = self.ask_contract(charged_to(payer, command)).await?;
        let channel = self.channel_of(view.channel).await?;
        Ok(contract_answer(&view, &channel))
    }

    async fn act(
        &self,
        key: RequestKey,
        contract: ContractId,
        actions: Vec<Vec<u8>>,
    ) -> Result<ActResponse, ApiError> {
        let mut list = Vec::with_capacity(actions.len());
        for action in actions {
            list.push(ContractBytes::new(action).ok_or_else(refusals::action)?);
        }
        let done = self.ask_done(Command::Act { key, contract, actions: list }).await?;
        Ok(ActResponse {
            contract_id: contract.to_string(),
            commitment_number: done.number.to_u64(),
            count: done.count,
        })
    }

    async fn settle(
        &self,
        key: RequestKey,
        contract: ContractId,
    ) -> Result<SettleResponse, ApiError> {
        // A settled contract is gone; what it was worth is known only to who looks before. Its state is final by then.
        let before = self.ask_contract(Command::Contract(contract)).await.ok();
        let done = self.ask_done(Command::Settle { key, contract }).await?;
        Ok(SettleResponse {
            contract_id: contract.to_string(),
            commitment_number: done.number.to_u64(),
            holder_msat: before.as_ref().map(|view| view.outcome.to_msat()),
            counterparty_msat: before.as_ref().map(|view| view.peer_outcome.to_msat()),
        })
    }

    async fn wallet(&self) -> Result<WalletResponse, ApiError> {
        let Answer::Wallet(view) = self.ask(Command::Wallet).await? else {
            return Err(wrong_kind());
        };
        Ok(WalletResponse {
            confirmed_sat: view.confirmed.to_sat(),
            unconfirmed_sat: view.pending.to_sat(),
            immature_sat: view.immature.to_sat(),
            spendable_sat: view.confirmed.saturating_sub(view.fee_reserve).to_sat(),
            held_sat: view.reserved.to_sat(),
            reserve_sat: view.fee_reserve.to_sat(),
            reserve_available_sat: view.reserve_funds.to_sat(),
            reserve_coins: u32::try_from(view.reserve_coins).unwrap_or(u32::MAX),
            reserve_coins_wanted: u32::try_from(view.reserve_coins_wanted).unwrap_or(u32::MAX),
            reserve_coin_sat_min: view.reserve_coin_min.to_sat(),
            tip_height: view.height.to_u32(),
        })
    }

    async fn new_address(&self) -> Result<AddressResponse, ApiError> {
        let Answer::Address(script) = self.ask(Command::NewAddress).await? else {
            return Err(wrong_kind());
        };
        let network = answers::bitcoin_network(self.network);
        let address = bitcoin::Address::from_script(&script, network)
            .map_err(|error| ApiError::internal(&error))?;
        Ok(AddressResponse { address: address.to_string() })
    }

    async fn send_coins(
        &self,
        key: RequestKey,
        request: SendCoins,
    ) -> Result<SendResponse, ApiError> {
        let SendCoins { address, amount, fee_rate } = request;
        let amount = match amount {
            SendHowMuch::Exact(amount) => SendAmount::Exactly(amount),
            SendHowMuch::All => SendAmount::Everything,
        };
        let command = Command::SendCoins { key, address, amount, fee_rate };
        let Answer::Sent { txid, amount, fee } = self.ask(command).await? else {
            return Err(wrong_kind());
        };
        Ok(SendResponse {
            txid: txid.to_string(),
            amount_sat: amount.to_sat(),
            fee_sat: fee.to_sat(),
        })
    }

    async fn events(&self, from: EventSeq, follow: Follow) -> Result<Self::Events, ApiError> {
        let (reader, past) = (self.reader.clone(), Arc::clone(&self.past));
        Ok(feed::stream(reader, past, self.handle.durable(), from, follow))
    }
}
