//! What goes wrong, and being dead.

use strait_engine::{DiskRoom, Input};
use strait_primitives::{BlockDelta, FeeRate, Millis};

use super::World;
use crate::agenda::Happening;
use crate::oracle::Violation;
use crate::place::Place;
use crate::weather::{Misfortunes, Weather};

#[derive(Debug, Clone, Copy)]
enum Misfortune {
    Kill,
    Lie,
    BadWrite,
    Cut,
    Reorganisation,
    TornSnapshot,
    Fees,
    Spike,
    Clock,
    Outage,
    Censor,
    Ghost,
    Restore,
    LowDisk,
}

/// Too little room on a disk.
const LITTLE_ROOM: DiskRoom = DiskRoom::Low { free_bytes: 1, wanted_bytes: 1 << 20 };
/// Blocks that a backend is away, or that a transaction is kept out, at most: a node that is back before its deadlines
/// must lose nothing, and deadlines are a multiple of this.
const AWAY_BLOCKS_MAX: u64 = 4;

impl World {
    pub(super) fn misfortune(&mut self) -> Result<(), Violation> {
        self.plan_pause(self.weather.misfortune_ms_max, Happening::Misfortune);
        let table = table_of(&self.weather.misfortunes);
        let Some(what) = self.choices.weighed(&table) else { return Ok(()) };
        let places: Vec<Place> = self.topology.places().collect();
        let place = *self.choices.pick(&places);
        match what {
            Misfortune::Kill => {
                self.tell(&format!("{place} is killed"));
                self.die(place);
            }
            Misfortune::Lie => {
                let disk = &self.hosts.at(place).disk;
                disk.lay(disk.next_write(), strait_log::Fault::Lie);
            }
            Misfortune::BadWrite => self.spoil_write(place),
            Misfortune::Cut => self.cut(),
            Misfortune::Reorganisation => {
                let depth = u32::try_from(self.choices.between(1, 6)).expect("at most 6");
                let empty = u32::try_from(self.choices.below(8)).expect("at most 7");
                let whim = self.whim();
                let lost = self.chain.reorganise(depth, empty, self.agenda.now_s(), whim);
                self.tally.reorganisations += 1;
                self.tell(&format!("{lost} blocks are lost to a longer branch"));
            }
            Misfortune::TornSnapshot => {
                self.tell(&format!("{place}'s newest snapshot is spoilt"));
                self.hosts.at(place).disk.tear_newest_snapshot();
            }
            Misfortune::Fees => {
                let rate = self.choices.between(1_000, 20_000);
                self.chain.set_rate(FeeRate::from_sat_per_kvb(rate));
                self.tell(&format!("block space costs {rate} sat/kvB"));
            }
            Misfortune::Spike => {
                let blocks = self.few_blocks();
                self.chain.spike(blocks);
                self.tell(&format!("block space costs ten times as much for {blocks} blocks"));
            }
            Misfortune::Clock => {
                let ahead = self.choices.between(1, 120_000);
                let host = self.hosts.at_mut(place);
                host.clock_ahead = Millis(host.clock_ahead.0 + ahead);
                self.tell(&format!("{place}'s clock jumps {ahead} ms ahead"));
            }
            Misfortune::Outage => {
                let back = self.chain.regtest.height().saturating_add(self.few_blocks());
                self.hosts.at_mut(place).backend_back = Some(back);
                self.tell(&format!("{place}'s chain backend is away up to block {back}"));
            }
            Misfortune::Censor => {
                let blocks = self.few_blocks();
                let count = self.chain.censor(blocks);
                self.tell(&format!("{count} transactions are kept out of {blocks} blocks"));
            }
            Misfortune::Ghost => self.raise_ghost(),
            Misfortune::LowDisk => self.change_room(place),
            Misfortune::Restore => self.restore()?,
        }
        Ok(())
    }

    /// Every clock goes its own way from here on.
    pub(crate) fn let_clocks_drift(&mut self) {
        let (now, most) = (self.agenda.now(), self.weather.drift.min(1_000));
        for place in self.topology.places() {
            let rate = 1_000 + self.choices.below(2 * most + 1) - most;
            self.hosts.at_mut(place).set_clock_rate(now, rate);
        }
    }

    /// A disk is nearly full from now on, or has room; a process that dies forgets it.
    fn change_room(&mut self, place: Place) {
        let room = if self.choices.chance(500) { LITTLE_ROOM } else { DiskRoom::Ample };
        self.tell(&format!("{place}'s disk: {room:?}"));
        self.put(place, Input::Disk(room));
    }

    fn few_blocks(&mut self) -> BlockDelta {
        let blocks = self.choices.between(1, AWAY_BLOCKS_MAX);
        BlockDelta::new(u32::try_from(blocks).expect("a few"))
    }

    /// All faults of the weather are healed, and nobody begins to play foul anew.
    pub(crate) fn calm_down(&mut self) {
        self.tell("the calm begins");
        self.weather = Weather::calm();
        self.chain.calm_down();
        for place in self.topology.places() {
            self.lay_foul_play_down(place);
            let host = self.hosts.at_mut(place);
            host.disk.heal();
            host.backend_back = None;
            self.put(place, Input::Disk(DiskRoom::Ample));
        }
    }

    /// A node is gone, and comes back some time.
    pub(super) fn die(&mut self, place: Place) {
        let host = self.hosts.at_mut(place);
        if host.running.is_none() {
            return;
        }
        host.stop();
        self.tally.deaths += 1;
        self.users.node_died(place);
        for (peer, connection) in self.network.links_of(place) {
            self.network.cut(connection);
            self.network.forget(place, connection);
            let slow = if self.choices.chance(200) { 10_000 } else { 50 };
            self.plan_between(0, slow, Happening::Notice(peer, connection));
        }
        self.plan_between(5, 4_000, Happening::Start(place));
    }
}

/// What may go wrong, by its weight.
const fn table_of(weights: &Misfortunes) -> [(u64, Misfortune); 14] {
    [
        (weights.kill, Misfortune::Kill),
        (weights.lie, Misfortune::Lie),
        (weights.bad_write, Misfortune::BadWrite),
        (weights.cut, Misfortune::Cut),
        (weights.reorganisation, Misfortune::Reorganisation),
        (weights.torn_snapshot, Misfortune::TornSnapshot),
        (weights.fees, Misfortune::Fees),
        (weights.spike, Misfortune::Spike),
        (weights.clock, Misfortune::Clock),
        (weights.outage, Misfortune::Outage),
        (weights.censor, Misfortune::Censor),
        (weights.ghost, Misfortune::Ghost),
        (weights.restore, Misfortune::Restore),
        (weights.low_disk, Misfortune::LowDisk),
    ]
}
