//! A scripted node for tests: it keeps a balance, remembers keys, holds answers back when told, and tells what it was asked.
//!
//! Used by the tests of this crate, of the client and of the command line; no production build has it.

mod locks;
mod tokens;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use strait_api_types::{
    ActResponse, AddressResponse, ChainState, ChainStatus, ChangeSettingsRequest, Channel,
    ChannelCounts, ChannelList, ChannelPhase, ChannelRole, CloseMode, Contract, ContractList,
    ContractPhase, ErrorCode, Event, EventKind, Lock, LockList, LockState, LogStatus, Module,
    ModuleList, Network, PaymentResponse, Peer, PeerConnection, PeerList, Recovery, RecoveryChoice,
    RecoveryDoubt, RecoveryList, SendResponse, Setting, SettingChange, SettingList, SettingValue,
    SettleResponse, StatusResponse, Token, TokenList, WalletResponse,
};
use strait_payment::LockKey;
use strait_primitives::{
    ChannelId, ContractId, EventSeq, MilliSats, ModuleHash, NodeId, Preimage, RequestKey, Sats,
    TokenId,
};
use tokio::sync::watch;

pub use self::locks::{LOCK, PREIMAGE};
use crate::{
    ApiError, Backend, ConnectPeer, Credential, Follow, LockQuery, NewToken, OfferLock,
    OpenChannel, OpenContract, Pay, Recover, SendCoins, SendHowMuch,
};

/// The one channel the node has.
pub const CHANNEL: ChannelId = ChannelId::from_bytes([0x11; ChannelId::LEN]);
/// The one contract the node has.
pub const CONTRACT: ContractId = ContractId::from_bytes([0x22; ContractId::LEN]);
/// The one module the node has.
pub const MODULE: ModuleHash = ModuleHash::from_bytes([0x33; ModuleHash::LEN]);
/// What the channel can spend at first.
pub const SPENDABLE: MilliSats = MilliSats::from_const(1_000_000);

/// Whether the node answers payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// At once.
    Given,
    /// Not before this changes; the payment itself waits with its answer.
    HeldBack,
}

/// A node that follows a script.
#[derive(Debug)]
pub struct ScriptedNode {
    state: Arc<Mutex<State>>,
    answers: watch::Sender<Answers>,
    head: watch::Sender<u64>,
}

/// What changes in a scripted node.
#[derive(Debug)]
struct State {
    spendable: MilliSats,
    number: u64,
    paid: BTreeMap<RequestKey, (Pay, PaymentResponse)>,
    questions: Vec<String>,
    events: Vec<Event>,
    tokens: BTreeMap<TokenId, (Credential, Token)>,
}

impl Default for ScriptedNode {
    fn default() -> Self {
        let state = State {
            spendable: SPENDABLE,
            number: 0,
            paid: BTreeMap::new(),
            questions: Vec::new(),
            events: Vec::new(),
            tokens: BTreeMap::new(),
        };
        let (answers, _) = watch::channel(Answers::Given);
        let (head, _) = watch::channel(0);
        Self { state: Arc::new(Mutex::new(state)), answers, head }
    }
}

impl ScriptedNode {
    /// Gives or holds back the answers to payments.
    pub fn set_answers(&self, answers: Answers) {
        self.answers.send_replace(answers);
    }

    /// Adds an event that the log's readers see.
    pub fn happen(&self, kind: EventKind) {
        let seq = {
            let mut state = self.state();
            let seq = state.events.last().map_or(1, |last| last.seq + 1);
            state.events.push(Event { seq, at_ms: seq * 10, kind, locks: Vec::new() });
            seq
        };
        self.head.send_replace(seq);
    }

    /// What the channel can spend now.
    #[must_use]
    pub fn spendable(&self) -> MilliSats {
        self.state().spendable
    }

    /// What the node was asked, in order.
    #[must_use]
    pub fn questions(&self) -> Vec<String> {
        self.state().questions.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the lock")
    }

    fn asked(&self, question: String) {
        self.state().questions.push(question);
    }

    fn pay_now(&self, key: RequestKey, request: Pay) -> Result<PaymentResponse, ApiError> {
        let mut state = self.state();
        if let Some((before, answer)) = state.paid.get(&key) {
            return if *before == request {
                Ok(answer.clone())
            } else {
                Err(ApiError::new(
                    ErrorCode::IdempotencyKeyReused,
                    "the key was used for another payment",
                    "use a new key for a new payment",
                ))
            };
        }
        let left = state.spendable.checked_sub(request.total).ok_or_else(|| {
            ApiError::new(
                ErrorCode::InsufficientBalance,
                format!("the channel can spend {}, not {}", state.spendable, request.total),
                "pay less",
            )
        })?;
        state.spendable = left;
        state.number += 1;
        let answer = PaymentResponse {
            channel_id: request.channel.to_string(),
            commitment_number: state.number,
            first_index: 0,
            count: u32::try_from(request.payments.len()).expect("at most 4,096"),
            total_msat: request.total.to_msat(),
        };
        state.paid.insert(key, (request, answer.clone()));
        Ok(answer)
    }
}

fn found<T: PartialEq>(given: &T, known: &T, code: ErrorCode) -> Result<(), ApiError> {
    if given == known {
        return Ok(());
    }
    Err(ApiError::new(code, "there is no such thing", "list what there is"))
}

/// A channel whose state is not trusted, with what was chosen for it.
fn sample_recovery(choice: Option<RecoveryChoice>, approved_sat: Option<u64>) -> Recovery {
    Recovery {
        channel_id: CHANNEL.to_string(),
        peer_node_id: format!("02{}", "ab".repeat(32)),
        peer_connection: PeerConnection::Connected,
        phase: ChannelPhase::Quarantined,
        doubt: RecoveryDoubt::Restored,
        backup_taken_at_ms: Some(1_700_000_000_000),
        commitment_number: 7,
        peer_commitment_number: Some(9),
        capacity_sat: 1_000_000,
        holder_balance_msat: 400_000_000,
        close_brings_sat: Some(399_000),
        choice,
        approved_sat,
    }
}

fn sample_channel(spendable: MilliSats, phase: ChannelPhase) -> Channel {
    Channel {
        channel_id: CHANNEL.to_string(),
        peer_node_id: NodeId::from_bytes([2; NodeId::LEN]).to_string(),
        role: ChannelRole::Opener,
        phase,
        capacity_sat: 1_000,
        holder_balance_msat: spendable.to_msat(),
        counterparty_balance_msat: 0,
        spendable_msat: spendable.to_msat(),
        commitment_number: 0,
        locks: 0,
        contracts: 1,
        delay_blocks: 144,
        funding_txid: None,
        funding_output_index: None,
        closing_txid: None,
    }
}

fn sample_contract() -> Contract {
    Contract {
        contract_id: CONTRACT.to_string(),
        channel_id: CHANNEL.to_string(),
        module_hash: MODULE.to_string(),
        role: ChannelRole::Opener,
        phase: ContractPhase::Open,
        collateral_opener_msat: 5_000,
        collateral_acceptor_msat: 0,
        outcome_holder_msat: 4_000,
        outcome_counterparty_msat: 1_000,
        commitment_number: 9,
        state_hex: "c0ffee".into(),
    }
}

impl Backend for ScriptedNode {
    type Events = BoxStream<'static, Result<Event, ApiError>>;

    fn credential(&self, id: TokenId) -> Option<Credential> {
        self.credential_of(id)
    }

    async fn tokens(&self) -> Result<TokenList, ApiError> {
        Ok(self.token_list())
    }

    async fn create_token(&self, request: NewToken) -> Result<Token, ApiError> {
        Ok(self.make_token(request))
    }

    async fn revoke_token(&self, id: TokenId) -> Result<Token, ApiError> {
        self.drop_token(id)
    }

    async fn status(&self) -> Result<StatusResponse, ApiError> {
        Ok(StatusResponse {
            version: "0.1.0".into(),
            node_id: NodeId::from_bytes([3; NodeId::LEN]).to_string(),
            listen_addresses: vec!["/ip4/127.0.0.1/tcp/9736".into()],
            chain: ChainStatus {
                network: Network::Regtest,
                state: ChainState::Synced,
                tip_height: 101,
                tip_hash: "00".repeat(32),
            },
            channels: ChannelCounts { open: 1, ..ChannelCounts::default() },
            peers_connected: 1,
            contracts_open: 1,
            log: LogStatus { head_seq: *self.head.borrow(), size_bytes: 4_096 },
            started_at_ms: 1,
        })
    }

    async fn settings(&self) -> Result<SettingList, ApiError> {
        let value = Some(SettingValue::Text("info".into()));
        let setting = Setting {
            key: "log_level".into(),
            value,
            source: "default".into(),
            changes: SettingChange::Request,
        };
        Ok(SettingList { settings: vec![setting] })
    }

    async fn change_settings(
        &self,
        request: ChangeSettingsRequest,
    ) -> Result<SettingList, ApiError> {
        let changed = |(key, value)| Setting {
            key,
            value: Some(value),
            source: "request".into(),
            changes: SettingChange::Request,
        };
        Ok(SettingList { settings: request.0.into_iter().map(changed).collect() })
    }

    async fn peers(&self) -> Result<PeerList, ApiError> {
        Ok(PeerList { peers: Vec::new() })
    }

    async fn connect_peer(&self, request: ConnectPeer) -> Result<Peer, ApiError> {
        self.asked(format!("connect {}", request.address));
        Ok(Peer {
            node_id: request.node.to_string(),
            addresses: vec![request.address],
            connection: PeerConnection::Connected,
            channels: 0,
        })
    }

    async fn channels(&self) -> Result<ChannelList, ApiError> {
        let channel = sample_channel(self.spendable(), ChannelPhase::Open);
        Ok(ChannelList { channels: vec![channel] })
    }

    async fn channel(&self, channel: ChannelId) -> Result<Channel, ApiError> {
        found(&channel, &CHANNEL, ErrorCode::ChannelNotFound)?;
        Ok(sample_channel(self.spendable(), ChannelPhase::Open))
    }

    async fn open_channel(
        &self,
        _key: RequestKey,
        request: OpenChannel,
    ) -> Result<Channel, ApiError> {
        self.asked(format!("open channel of {}", request.capacity));
        Ok(sample_channel(request.capacity.to_millisats(), ChannelPhase::Negotiating))
    }

    async fn close_channel(
        &self,
        _key: RequestKey,
        channel: ChannelId,
        mode: CloseMode,
    ) -> Result<Channel, ApiError> {
        found(&channel, &CHANNEL, ErrorCode::ChannelNotFound)?;
        self.asked(format!("close {mode:?}"));
        let phase = match mode {
            CloseMode::Cooperative => ChannelPhase::Closing,
            CloseMode::Force => ChannelPhase::ForceClosing,
        };
        Ok(sample_channel(self.spendable(), phase))
    }

    async fn recoveries(&self) -> Result<RecoveryList, ApiError> {
        Ok(RecoveryList { channels: vec![sample_recovery(None, None)] })
    }

    async fn recover(
        &self,
        _key: RequestKey,
        channel: ChannelId,
        request: Recover,
    ) -> Result<Recovery, ApiError> {
        found(&channel, &CHANNEL, ErrorCode::ChannelNotFound)?;
        self.asked(format!("recover {request:?}"));
        Ok(match request {
            Recover::AskPeer => sample_recovery(Some(RecoveryChoice::AskPeer), None),
            Recover::ApproveClose { at_least } => {
                sample_recovery(Some(RecoveryChoice::ApproveClose), Some(at_least.to_sat()))
            }
            Recover::AcceptLoss { may_lose: _ } => {
                sample_recovery(Some(RecoveryChoice::AcceptLoss), None)
            }
        })
    }

    async fn pay(&self, key: RequestKey, request: Pay) -> Result<PaymentResponse, ApiError> {
        found(&request.channel, &CHANNEL, ErrorCode::ChannelNotFound)?;
        self.asked(format!("pay {} in {}", request.total, request.payments.len()));
        let mut answers = self.answers.subscribe();
        // An error means that the test is over.
        let _over = answers.wait_for(|answers| *answers == Answers::Given).await;
        self.pay_now(key, request)
    }

    async fn locks(&self, query: LockQuery) -> Result<LockList, ApiError> {
        Ok(LockList { locks: locks::page(&query), next_after: None })
    }

    async fn lock(&self, lock: LockKey) -> Result<Lock, ApiError> {
        found(&lock, &LOCK, ErrorCode::LockNotFound)?;
        Ok(locks::held(LockState::Held))
    }

    async fn offer_lock(&self, _key: RequestKey, request: OfferLock) -> Result<Lock, ApiError> {
        found(&request.channel, &CHANNEL, ErrorCode::ChannelNotFound)?;
        self.asked(format!("offer {} until {}", request.amount, request.expiry));
        Ok(locks::offered(&request))
    }

    async fn claim_lock(
        &self,
        _key: RequestKey,
        lock: LockKey,
        preimage: Preimage,
    ) -> Result<Lock, ApiError> {
        found(&lock, &LOCK, ErrorCode::LockNotFound)?;
        self.asked(format!("claim {lock}"));
        locks::claimed(&preimage)
    }

    async fn cancel_lock(&self, _key: RequestKey, lock: LockKey) -> Result<Lock, ApiError> {
        found(&lock, &LOCK, ErrorCode::LockNotFound)?;
        self.asked(format!("cancel {lock}"));
        Ok(locks::held(LockState::Cancelled))
    }

    async fn modules(&self) -> Result<ModuleList, ApiError> {
        let module = Module { module_hash: MODULE.to_string(), size_bytes: 8 };
        Ok(ModuleList { modules: vec![module] })
    }

    async fn add_module(&self, wasm: Bytes) -> Result<Module, ApiError> {
        if !wasm.starts_with(b"\0asm") {
            return Err(ApiError::new(
                ErrorCode::ModuleRefused,
                "the bytes are not WebAssembly",
                "send a compiled module",
            ));
        }
        Ok(Module { module_hash: MODULE.to_string(), size_bytes: wasm.len() as u64 })
    }

    async fn contracts(&self) -> Result<ContractList, ApiError> {
        Ok(ContractList { contracts: vec![sample_contract()] })
    }

    async fn contract(&self, contract: ContractId) -> Result<Contract, ApiError> {
        found(&contract, &CONTRACT, ErrorCode::ContractNotFound)?;
        Ok(sample_contract())
    }

    async fn open_contract(
        &self,
        _key: RequestKey,
        request: OpenContract,
    ) -> Result<Contract, ApiError> {
        found(&request.module, &MODULE, ErrorCode::ModuleNotFound)?;
        self.asked(format!("open contract with {:?}", request.params));
        Ok(sample_contract())
    }

    async fn act(
        &self,
        _key: RequestKey,
        contract: ContractId,
        actions: Vec<Vec<u8>>,
    ) -> Result<ActResponse, ApiError> {
        found(&contract, &CONTRACT, ErrorCode::ContractNotFound)?;
        self.asked(format!("act {actions:?}"));
        let count = u32::try_from(actions.len()).expect("at most 1,024");
        Ok(ActResponse { contract_id: contract.to_string(), commitment_number: 10, count })
    }

    async fn settle(
        &self,
        _key: RequestKey,
        contract: ContractId,
    ) -> Result<SettleResponse, ApiError> {
        found(&contract, &CONTRACT, ErrorCode::ContractNotFound)?;
        Ok(SettleResponse {
            contract_id: contract.to_string(),
            commitment_number: 11,
            holder_msat: Some(4_000),
            counterparty_msat: Some(1_000),
        })
    }

    async fn wallet(&self) -> Result<WalletResponse, ApiError> {
        Ok(WalletResponse {
            confirmed_sat: 100_000,
            unconfirmed_sat: 0,
            immature_sat: 0,
            spendable_sat: 90_000,
            held_sat: 0,
            reserve_sat: 10_000,
            reserve_available_sat: 90_000,
            reserve_coins: 2,
            reserve_coins_wanted: 1,
            reserve_coin_sat_min: 3_000,
            tip_height: 101,
        })
    }

    async fn new_address(&self) -> Result<AddressResponse, ApiError> {
        Ok(AddressResponse { address: "bcrt1qscripted".into() })
    }

    async fn send_coins(
        &self,
        _key: RequestKey,
        request: SendCoins,
    ) -> Result<SendResponse, ApiError> {
        let amount = match request.amount {
            SendHowMuch::Exact(amount) => amount,
            SendHowMuch::All => Sats::from_const(90_000),
        };
        self.asked(format!("send {amount} to {}", request.address));
        Ok(SendResponse { txid: "ab".repeat(32), amount_sat: amount.to_sat(), fee_sat: 200 })
    }

    async fn events(&self, from: EventSeq, follow: Follow) -> Result<Self::Events, ApiError> {
        let reader = Reader {
            state: Arc::clone(&self.state),
            head: self.head.subscribe(),
            next: from.max(EventSeq::ZERO.next()).to_u64(),
            follow,
        };
        Ok(stream::unfold(reader, Reader::read).boxed())
    }
}

/// A reader of the scripted log.
struct Reader {
    state: Arc<Mutex<State>>,
    head: watch::Receiver<u64>,
    next: u64,
    follow: Follow,
}

impl Reader {
    async fn read(mut self) -> Option<(Result<Event, ApiError>, Self)> {
        loop {
            self.head.mark_unchanged();
            if let Some(event) = self.due() {
                self.next = event.seq + 1;
                return Some((Ok(event), self));
            }
            match self.follow {
                Follow::UntilNow => return None,
                Follow::Forever => self.head.changed().await.ok()?,
            }
        }
    }

    fn due(&self) -> Option<Event> {
        let state = self.state.lock().expect("no test panics while it holds the lock");
        state.events.iter().find(|event| event.seq >= self.next).cloned()
    }
}
