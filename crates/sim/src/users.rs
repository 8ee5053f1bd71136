//! The users of all nodes: what they ask, what they remember, and what they hold the answers against.
//!
//! A user asks under a key, and asks again under the same key until there is an answer; a crash of the node loses the
//! asking and not the request. Whatever was answered once must be answered the same for ever.

pub(crate) mod asking;
mod judging;
mod locking;
mod spending;

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::address::NetworkUnchecked;
use bitcoin::{ScriptBuf, Txid};
use strait_engine::{Command, CommandId, PaymentDone, SendAmount};
use strait_primitives::{
    ChannelId, CommitmentNumber, ContractId, PaymentHash, Preimage, RequestKey, TokenId,
};
use strait_wire::Operation;

use self::spending::Allowance;
use crate::oracle::Violation;
use crate::place::{Each, Place};

/// Requests that a user may come back to.
const MEMORY: u64 = 60;

/// What a request is for, which decides what answers are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Operations that a round carries: payments, actions, settlements.
    Operations,
    /// Something that cannot be right.
    Nonsense,
    OpenChannel,
    CloseChannel,
    OpenContract,
    /// A lock offered, claimed or given back.
    Lock,
    SendCoins,
    /// A token made or revoked.
    Token,
    /// Preparations and questions, whose answers nobody checks.
    Setup,
}

/// What an answer said was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Round(PaymentDone),
    Channel(ChannelId),
    Contract(ContractId),
    Coins(Txid),
    Nothing,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Waiting,
    Refused,
    Done(Done),
}

/// A request as its user remembers it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) place: Place,
    pub(crate) key: RequestKey,
    pub(crate) command: Command,
    pub(crate) purpose: Purpose,
    pub(crate) fate: Fate,
    /// The operations that must stand in the ledger's history if it is done.
    expects: Vec<Operation>,
    /// Askings that the node, as long as it lives, owes an answer to.
    pub(crate) open: usize,
}

/// An index into the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct RequestIndex(usize);

/// Everyone who uses a node.
#[derive(Debug, Default)]
pub(crate) struct Users {
    requests: Vec<Request>,
    /// Askings that wait for an answer.
    desk: BTreeMap<CommandId, RequestIndex>,
    /// Who has been told that an operation is its own.
    claimed: BTreeMap<(ChannelId, CommitmentNumber, u32), RequestKey>,
    /// Whose payment a reference is.
    references: BTreeMap<Vec<u8>, RequestIndex>,
    /// Addresses of each node that users know.
    pub(crate) addresses: Each<Vec<ScriptBuf>>,
    next_command: u64,
    next_key: u64,
    next_reference: u64,
    next_token: u64,
    /// Tokens that users have made, or tried to.
    allowances: BTreeMap<TokenId, Allowance>,
    /// On whose account a request is made.
    spenders: BTreeMap<RequestKey, TokenId>,
    /// Preimages that payees have thought of.
    preimages: BTreeMap<PaymentHash, Preimage>,
    /// Those that a payee has told its node to show.
    pub(crate) shown: BTreeSet<PaymentHash>,
    /// Answers given.
    pub(crate) answered: u64,
}

impl Users {
    /// Nobody has asked anything of these nodes.
    pub(crate) fn new(places: impl Iterator<Item = Place>) -> Self {
        Self { addresses: Each::of(places, |_| Vec::new()), ..Self::default() }
    }

    /// A node has died: whoever waited for an answer will have to ask again.
    pub(crate) fn node_died(&mut self, place: Place) {
        let requests = &mut self.requests;
        self.desk.retain(|_, index| {
            let Some(request) = requests.get_mut(index.0) else { return false };
            if request.place == place {
                if request.open > 0 && request.fate == Fate::Refused {
                    // It was refused once; what became of the asking that nobody answered, the user must find out.
                    request.fate = Fate::Waiting;
                }
                request.open = 0;
            }
            request.place != place
        });
    }

    /// Requests of a node that are not answered.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(|request| request.fate == Fate::Waiting)
    }

    /// What users of some nodes have asked to send on chain, and how often.
    pub(crate) fn sends(&self, of: impl Fn(Place) -> bool) -> BTreeMap<(ScriptBuf, u64), u64> {
        let mut sends = BTreeMap::new();
        for request in self.requests.iter().filter(|request| of(request.place)) {
            let Command::SendCoins { address, amount: SendAmount::Exactly(amount), .. } =
                &request.command
            else {
                continue;
            };
            let address: bitcoin::Address<NetworkUnchecked> =
                address.parse().expect("users know addresses");
            let script = address.assume_checked().script_pubkey();
            *sends.entry((script, amount.to_sat())).or_insert(0) += 1;
        }
        sends
    }

    /// Requests made, in all.
    pub(crate) fn count(&self) -> usize {
        self.requests.len()
    }

    /// Asks a request, for the first time or again.
    fn ask(&mut self, index: RequestIndex) -> (CommandId, Command) {
        let id = CommandId(self.next_command);
        self.next_command += 1;
        self.desk.insert(id, index);
        let request = self.requests.get_mut(index.0).expect("an index of a request");
        request.open += 1;
        if request.fate == Fate::Refused {
            request.fate = Fate::Waiting;
        }
        (id, request.command.clone())
    }

    /// Remembers a request and asks it.
    fn begin(&mut self, request: Request) -> (CommandId, Command) {
        let index = RequestIndex(self.requests.len());
        for operation in &request.expects {
            if let Operation::Pay { reference, .. } = operation {
                self.references.insert(reference.as_bytes().to_vec(), index);
            }
        }
        self.requests.push(request);
        self.ask(index)
    }

    /// Payments have become part of the history: none of them may have been refused.
    pub(crate) fn check_made(&self, references: &[Vec<u8>]) -> Result<(), Violation> {
        for reference in references {
            let request = self.references.get(reference).and_then(|i| self.requests.get(i.0));
            let Some(request) = request else { continue };
            if request.fate == Fate::Refused && request.open == 0 {
                return Err(request.wrong("a refusal", "what was refused was done afterwards"));
            }
        }
        Ok(())
    }

    fn fresh_key(&mut self) -> RequestKey {
        self.next_key += 1;
        let mut bytes = [0_u8; 16];
        let (_, tail) = bytes.split_at_mut(8);
        tail.copy_from_slice(&self.next_key.to_be_bytes());
        RequestKey::from_bytes(bytes)
    }
}

impl Request {
    /// The request in few words.
    pub(crate) fn name(&self) -> String {
        let text = format!("{:?}", self.command);
        let end = text.char_indices().nth(160).map_or(text.len(), |(at, _)| at);
        text.get(..end).unwrap_or_default().to_owned()
    }

    fn wrong(&self, answer: &str, fault: &'static str) -> Violation {
        Violation::Answer {
            node: self.place.to_string(),
            key: self.key,
            request: self.name(),
            answer: answer.to_owned(),
            fault,
        }
    }
}
