//! Which claims go into which transaction, and at what fee.
//!
//! A transaction once planned stays as it is while all its inputs can be taken: it is rebuilt and broadcast again each
//! block, at the same fee or a higher one. Claims in none yet are swept together as long as nobody else can take their
//! outputs; a contested claim goes alone, so that one lost race never stalls another.
//!
//! A transaction of several claims that come to be contested goes on as it is, for nothing smaller could replace it, and
//! beside it goes each of its claims alone, at the same rate. Where the large one stands, nodes refuse the small ones,
//! which pay less. Where a rival's claim of one output has thrown it out, they take the small ones at once, all but that
//! one; and each block the rate goes on rising, so that the rival must outbid it again.

use bitcoin::OutPoint;
use strait_onchain::{Claim, ClaimTransaction, SpendError, WalletScript};
use strait_primitives::{BlockHeight, FeeRate, Sats, VBytes};

use crate::event::{ClaimPlan, WatchEvent};
use crate::facts::ChannelFacts;
use crate::fee::{
    Budget, Burden, bearable, doubled, doublings, hurried, outbidding, raised, replacing,
};
use crate::limits::{CLAIMS_MAX, SWEEP_FRAME_VBYTES};
use crate::prospect::{OwnClaim, Prospect, prospect};
use crate::state::WatcherState;

/// What a watcher is asked each block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollRequest {
    /// The best chain's height.
    pub tip: BlockHeight,
    /// What a transaction pays that is in no hurry.
    pub fee_rate: FeeRate,
    /// Where claims go that are planned for the first time.
    pub destination: WalletScript,
}

/// A claim to be signed and broadcast, now and each block until it is mined.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a claim is broadcast or the money may be lost"]
pub struct PlannedClaim {
    /// The transaction, unsigned.
    pub transaction: ClaimTransaction,
    /// The last block in which it should be mined, if that matters.
    pub deadline: Option<BlockHeight>,
    /// What it pays.
    pub fee_rate: FeeRate,
}

/// An output that this node could take but leaves, because it costs more than it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOutput {
    /// The output.
    pub outpoint: OutPoint,
    /// What it holds.
    pub value: Sats,
    /// What taking it alone would cost.
    pub cost: Sats,
}

/// What is to be done about a channel on chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "events must reach the log, and claims wait for it"]
pub struct Plan {
    /// What changed: already folded in, to be logged before the claims leave.
    pub events: Vec<WatchEvent>,
    /// What to sign and broadcast.
    pub claims: Vec<PlannedClaim>,
    /// What is left alone for now.
    pub left: Vec<LeftOutput>,
}

/// A claim that the next block may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OpenClaim {
    /// What the watcher knows of it.
    own: OwnClaim,
    /// The size of a transaction that makes it alone.
    size: VBytes,
    /// The lowest rate at which it may be planned again.
    floor: Option<FeeRate>,
}

impl OpenClaim {
    fn outpoint(&self) -> OutPoint {
        self.own.claim.coin().outpoint
    }

    fn value(&self) -> Sats {
        self.own.claim.coin().value
    }

    /// What it adds to the fee of a sweep at this rate.
    fn cost(&self, rate: FeeRate) -> Sats {
        rate.fee(VBytes(self.size.0.saturating_sub(SWEEP_FRAME_VBYTES)))
    }
}

/// Plans everything that can be claimed at this tip. The state is not changed: the events say how it is to be.
pub(crate) fn plan(state: &WatcherState, request: &PollRequest, facts: &dyn ChannelFacts) -> Plan {
    let mut planner = Planner { state, request, plan: Plan::default() };
    let mut open = planner.open_claims(facts);
    assert!(open.len() <= CLAIMS_MAX, "a commitment has fewer than {} claims", open.len());
    for last in state.plans() {
        if let Some(members) = take_members(state, last, &mut open) {
            match planner.repeat(last, &members) {
                Some(fee_rate) => planner.part(&members, fee_rate),
                None => members.iter().for_each(|open| planner.leave(open)),
            }
        }
    }
    let (contested, calm): (Vec<_>, Vec<_>) =
        open.into_iter().partition(|open| open.own.is_contested(request.tip));
    let (timed, timeless) = calm.into_iter().partition(|open| open.own.deadline.is_some());
    planner.sweep(timed);
    planner.sweep(timeless);
    contested.into_iter().for_each(|open| planner.sweep(vec![open]));
    planner.plan
}

/// Takes the claims of a plan out of those that are open, if all of them are and no later plan has any of them.
fn take_members(
    state: &WatcherState,
    plan: &ClaimPlan,
    open: &mut Vec<OpenClaim>,
) -> Option<Vec<OpenClaim>> {
    let find = |outpoint: &OutPoint| {
        let member = open.iter().find(|open| open.outpoint() == *outpoint)?;
        (state.plan_of(outpoint) == Some(plan)).then(|| member.clone())
    };
    let members = plan.inputs.iter().map(find).collect::<Option<Vec<_>>>()?;
    open.retain(|open| !plan.inputs.contains(&open.outpoint()));
    Some(members)
}

/// A plan in the making.
struct Planner<'a> {
    /// What is known.
    state: &'a WatcherState,
    /// What is asked.
    request: &'a PollRequest,
    /// What is planned so far.
    plan: Plan,
}

impl Planner<'_> {
    /// All that this node could have in the next block.
    fn open_claims(&self, facts: &dyn ChannelFacts) -> Vec<OpenClaim> {
        let Some(spend) = self.state.spend() else { return Vec::new() };
        let unspent = spend.outputs.iter().filter(|output| output.spend.is_none());
        let own = unspent.filter_map(|output| match prospect(spend, output, facts) {
            Prospect::Claim(own) => Some(*own),
            Prospect::Nothing | Prospect::AwaitsPreimage { .. } => None,
        });
        let open = own.filter(|own| own.is_open(self.request.tip)).map(|own| OpenClaim {
            size: self.size_of(&own.claim),
            floor: self.state.floor_of(&own.claim.coin().outpoint),
            own,
        });
        open.collect()
    }

    /// The size of a transaction that makes this claim alone.
    fn size_of(&self, claim: &Claim) -> VBytes {
        let free = FeeRate::from_sat_per_kvb(0);
        ClaimTransaction::new(vec![claim.clone()], self.request.destination, free)
            .expect("one claim of an output above dust, without a fee")
            .size()
    }

    /// Plans a transaction again that was planned before: the same, or one that pays more. Says what it pays; `None` if
    /// it cannot be made any more.
    fn repeat(&mut self, last: &ClaimPlan, members: &[OpenClaim]) -> Option<FeeRate> {
        let build = |rate| build(members, last.destination, rate);
        let wanted = self.wanted(members).max(self.pressed(last, members));
        if let Some(rate) = raised(last.fee_rate, wanted)
            && let Ok(transaction) = build(rate)
        {
            self.add(members, transaction, rate, last.destination);
            return Some(rate);
        }
        match build(last.fee_rate) {
            Ok(transaction) if transaction.txid() == last.txid => {
                let deadline = deadline_of(members);
                let fee_rate = last.fee_rate;
                self.plan.claims.push(PlannedClaim { transaction, deadline, fee_rate });
                Some(fee_rate)
            }
            // The same outputs by other paths: a secret or a preimage came to be known. The new transaction may be
            // smaller, and must still pay more in all than what it replaces.
            Ok(_) | Err(_) => {
                let fee = last.fee.unwrap_or(Sats::ZERO);
                let rate = replacing(last.fee_rate).max(outbidding(fee, size_of(members)));
                let transaction = build(rate).ok()?;
                self.add(members, transaction, rate, last.destination);
                Some(rate)
            }
        }
    }

    /// What a transaction should pay whose deadline is over while rivals may come: twice what it paid at the last tip, as
    /// far as its budget goes.
    fn pressed(&self, last: &ClaimPlan, members: &[OpenClaim]) -> FeeRate {
        let tip = self.request.tip;
        let is_overdue = deadline_of(members).is_some_and(|at| at < tip);
        let is_older = last.tip.is_some_and(|planned| planned < tip);
        if !is_overdue || !is_older || !self.is_contested(members) {
            return last.fee_rate;
        }
        doubled(last.fee_rate).min(bearable(self.usual(), burden(members, self.limit(members))))
    }

    /// Sends each claim of a transaction alone too, once others can take any of its outputs. They stand in no event: they
    /// pay what the transaction pays, which does.
    fn part(&mut self, members: &[OpenClaim], whole: FeeRate) {
        if members.len() < 2 || !self.is_contested(members) {
            return;
        }
        for open in members {
            let alone = core::slice::from_ref(open);
            let burden = burden(alone, self.limit(alone));
            let fee_rate = whole.min(bearable(FeeRate::RELAY_FLOOR, burden));
            if let Ok(transaction) = build(alone, self.request.destination, fee_rate) {
                let deadline = deadline_of(alone);
                self.plan.claims.push(PlannedClaim { transaction, deadline, fee_rate });
            }
        }
    }

    /// True if the next block may hold a rival's claim of any of these outputs.
    fn is_contested(&self, members: &[OpenClaim]) -> bool {
        members.iter().any(|open| open.own.is_contested(self.request.tip))
    }

    /// What a transaction pays that is in no hurry.
    fn usual(&self) -> FeeRate {
        self.request.fee_rate.max(FeeRate::RELAY_FLOOR)
    }

    /// What these claims may come to cost. Penalties that the thief can outrun may cost all that they save in the end, but
    /// only block by block, for as long as they lose.
    fn limit(&self, members: &[OpenClaim]) -> Budget {
        let tip = self.request.tip;
        let is_last_stand = |open: &OpenClaim| open.own.is_penalty() && open.own.is_contested(tip);
        if members.iter().all(is_last_stand) { Budget::All } else { Budget::Half }
    }

    /// Plans claims together that are in no transaction yet, without those that are not worth it: these are tried on
    /// their own, at the lower fee that they can bear.
    fn sweep(&mut self, mut members: Vec<OpenClaim>) {
        while !members.is_empty() {
            let rate = self.first_rate(&members);
            let is_worth_it = |open: &OpenClaim| open.cost(rate) < open.value();
            let (worth, rest): (Vec<_>, Vec<_>) = members.into_iter().partition(is_worth_it);
            match build(&worth, self.request.destination, rate) {
                Ok(transaction) => self.add(&worth, transaction, rate, self.request.destination),
                Err(_) => {
                    worth.iter().chain(&rest).for_each(|open| self.leave(open));
                    return;
                }
            }
            members = rest;
        }
    }

    /// The rate for these claims, whatever they were planned at before.
    fn wanted(&self, members: &[OpenClaim]) -> FeeRate {
        let tip = self.request.tip;
        let deadlines = members.iter().filter_map(|open| open.own.deadline);
        let doublings = deadlines.map(|deadline| doublings(deadline, tip)).max().unwrap_or(0);
        hurried(self.usual(), doublings, burden(members, Budget::Half))
    }

    /// The rate for claims that form a new group: no lower than each had in its last, as far as it could bear that rate
    /// alone.
    fn first_rate(&self, members: &[OpenClaim]) -> FeeRate {
        let wanted = self.wanted(members);
        let floor = members.iter().filter_map(|open| {
            let alone = core::slice::from_ref(open);
            let burden = burden(alone, self.limit(alone));
            open.floor.map(|floor| replacing(floor).min(bearable(self.usual(), burden)))
        });
        floor.max().map_or(wanted, |floor| floor.max(wanted))
    }

    /// Notes a transaction that was not planned so before.
    fn add(
        &mut self,
        members: &[OpenClaim],
        transaction: ClaimTransaction,
        fee_rate: FeeRate,
        destination: WalletScript,
    ) {
        let inputs: Vec<_> = members.iter().map(OpenClaim::outpoint).collect();
        assert!(inputs.iter().all(|place| !self.state.is_spent(place)), "only what is there");
        let txid = transaction.txid();
        let (fee, tip) = (Some(transaction.fee()), Some(self.request.tip));
        let planned = ClaimPlan { txid, inputs, destination, fee_rate, fee, tip };
        self.plan.events.push(WatchEvent::ClaimPlanned(planned));
        let deadline = deadline_of(members);
        self.plan.claims.push(PlannedClaim { transaction, deadline, fee_rate });
    }

    /// Notes an output that is not worth its claim.
    fn leave(&mut self, open: &OpenClaim) {
        let (outpoint, value) = (open.outpoint(), open.value());
        let cost = self.usual().fee(open.size);
        self.plan.left.push(LeftOutput { outpoint, value, cost });
        if self.state.left_since(&outpoint).is_none() {
            let since = self.request.tip;
            self.plan.events.push(WatchEvent::OutputLeft { outpoint, since });
        }
    }
}

/// One transaction of these claims.
fn build(
    members: &[OpenClaim],
    destination: WalletScript,
    rate: FeeRate,
) -> Result<ClaimTransaction, SpendError> {
    let claims = members.iter().map(|open| open.own.claim.clone()).collect();
    ClaimTransaction::new(claims, destination, rate)
}

/// The first deadline of these claims.
fn deadline_of(members: &[OpenClaim]) -> Option<BlockHeight> {
    members.iter().filter_map(|open| open.own.deadline).map(|deadline| deadline.at).min()
}

/// What these claims are of.
fn value_of(members: &[OpenClaim]) -> Sats {
    Sats::checked_sum(members.iter().map(OpenClaim::value))
        .expect("outputs of one transaction hold at most its channel's capacity")
}

/// What these claims are to a fee.
fn burden(members: &[OpenClaim], budget: Budget) -> Burden {
    Burden { value: value_of(members), size: size_of(members), budget }
}

/// The size of one transaction of these claims, about.
fn size_of(members: &[OpenClaim]) -> VBytes {
    let inputs: u64 =
        members.iter().map(|open| open.size.0 - SWEEP_FRAME_VBYTES.min(open.size.0)).sum();
    VBytes(inputs.saturating_add(SWEEP_FRAME_VBYTES))
}
