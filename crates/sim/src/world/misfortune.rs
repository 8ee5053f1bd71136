//! What goes wrong, and being dead.

use strait_primitives::FeeRate;

use super::World;
use crate::agenda::Happening;
use crate::place::Place;

#[derive(Debug, Clone, Copy)]
enum Misfortune {
    Kill,
    Lie,
    BadWrite,
    Cut,
    Reorganisation,
    TornSnapshot,
    Fees,
}

impl World {
    pub(super) fn misfortune(&mut self) {
        self.plan_pause(self.weather.misfortune_ms_max, Happening::Misfortune);
        let weights = &self.weather.misfortunes;
        let table = [
            (weights.kill, Misfortune::Kill),
            (weights.lie, Misfortune::Lie),
            (weights.bad_write, Misfortune::BadWrite),
            (weights.cut, Misfortune::Cut),
            (weights.reorganisation, Misfortune::Reorganisation),
            (weights.torn_snapshot, Misfortune::TornSnapshot),
            (weights.fees, Misfortune::Fees),
        ];
        let Some(what) = self.choices.weighed(&table) else { return };
        let place = *self.choices.pick(&Place::BOTH);
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
                let lost = self.chain.reorganise(depth, empty, self.agenda.now_s());
                self.tally.reorganisations += 1;
                self.tell(&format!("{lost} blocks are lost to a longer branch"));
            }
            Misfortune::TornSnapshot => {
                self.tell(&format!("{place}'s newest snapshot is spoilt"));
                self.hosts.at(place).disk.tear_newest_snapshot();
            }
            Misfortune::Fees => {
                let rate = self.choices.between(1_000, 20_000);
                self.chain.fee_rate = FeeRate::from_sat_per_kvb(rate);
                self.tell(&format!("block space costs {rate} sat/kvB"));
            }
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
        if let Some(connection) = self.network.link(place) {
            self.network.cut(connection);
            self.network.forget(place, connection);
            let slow = if self.choices.chance(200) { 10_000 } else { 50 };
            self.plan_between(0, slow, Happening::Notice(!place, connection));
        }
        self.plan_between(5, 4_000, Happening::Start(place));
    }
}
