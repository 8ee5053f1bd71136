//! How stormy a run is: rates and spans, drawn once per run so that runs differ in kind and not only in detail.

use crate::choices::Choices;

/// Rates of faults and activity. Chances are per thousand, spans in simulated milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weather {
    /// The longest a message is on its way.
    pub latency_ms_max: u64,
    /// The longest a write takes.
    pub write_ms_max: u64,
    /// The longest pause between two requests of one node's users.
    pub request_ms_max: u64,
    /// The longest pause between two blocks.
    pub block_ms_max: u64,
    /// The longest pause between two misfortunes.
    pub misfortune_ms_max: u64,
    /// Which misfortunes come, each by its weight.
    pub misfortunes: Misfortunes,
    /// The chance that a node dies between two effects of one write.
    pub die_midway: u64,
    /// The chance that a user who was not answered asks again before doing anything else.
    pub insistence: u64,
    /// The most payments in one request.
    pub batch_max: u64,
    /// What users do, each by its weight.
    pub habits: Habits,
    /// The chance, for each connection, that the storm begins with a channel on it.
    pub first_channels: u64,
    /// The chance that a miner has a whim at a block.
    pub whims: u64,
    /// By how much a clock runs too fast or too slow at most, in thousandths.
    pub drift: u64,
    /// What those who play foul do with each message.
    pub malice: Malice,
}

/// What a node that plays foul does with a message, in chances; else it says it as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malice {
    /// It keeps it to itself.
    pub drop: u64,
    /// It says it twice.
    pub repeat: u64,
    /// It says it after the next one.
    pub delay: u64,
    /// It changes some bytes.
    pub garble: u64,
    /// It changes a field, so that it can still be read.
    pub alter: u64,
    /// It says something that it has said before.
    pub replay: u64,
    /// It says it about another channel.
    pub misdirect: u64,
    /// If it is a proposal: it proposes what it may not, and signs that.
    pub scheme: u64,
}

/// Weights of misfortunes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfortunes {
    /// A process dies.
    pub kill: u64,
    /// A disk says that it holds what it does not: no law can survive it, so no run draws it. It is there to see the
    /// oracle notice.
    pub lie: u64,
    /// The next writes of a disk fail in some way.
    pub bad_write: u64,
    /// A connection is cut; each end notices in its own time.
    pub cut: u64,
    /// The best chain loses blocks, up to six.
    pub reorganisation: u64,
    /// The newest snapshot turns out spoilt at the next start.
    pub torn_snapshot: u64,
    /// The price of block space changes.
    pub fees: u64,
    /// Block space costs ten times as much for some blocks.
    pub spike: u64,
    /// A node's clock jumps ahead.
    pub clock: u64,
    /// One who plays foul loses its disk, and comes back from a backup as an operator restores one.
    pub restore: u64,
    /// A node's chain backend is silent for a while, and takes nothing.
    pub outage: u64,
    /// Miners keep what waits out of some blocks.
    pub censor: u64,
    /// One who plays foul starts an old copy of its disk, out of its peers' reach.
    pub ghost: u64,
    /// A node's disk is nearly full, or has room again.
    pub low_disk: u64,
}

/// Weights of what users do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Habits {
    /// A new payment.
    pub pay: u64,
    /// A request asked again under its key.
    pub repeat: u64,
    /// A used key for another request.
    pub reuse_key: u64,
    /// A request that cannot be right.
    pub nonsense: u64,
    /// A new channel.
    pub open: u64,
    /// A contract begun, acted in, or settled.
    pub contract: u64,
    /// A lock offered, to a peer or through one.
    pub lock: u64,
    /// A held lock claimed or given back.
    pub unlock: u64,
    /// A contract brought to its end.
    pub wind_up: u64,
    /// A payment on chain.
    pub send: u64,
    /// A cooperative close.
    pub close: u64,
    /// A close by force.
    pub force: u64,
    /// A token made or revoked, or a payment or lock on its account.
    pub spend: u64,
}

impl Weather {
    /// The weather of a run.
    #[must_use]
    pub fn draw(choices: &mut Choices) -> Self {
        let mut weight = |weights: &[u64]| *choices.pick(weights);
        let misfortunes = Misfortunes {
            kill: weight(&[0, 1, 4]),
            lie: 0,
            bad_write: weight(&[0, 1, 4]),
            cut: weight(&[0, 2, 8]),
            reorganisation: weight(&[0, 0, 1, 3]),
            torn_snapshot: weight(&[0, 1]),
            fees: weight(&[0, 1]),
            spike: weight(&[0, 0, 1]),
            clock: weight(&[0, 0, 1]),
            restore: weight(&[0, 1]),
            outage: weight(&[0, 1]),
            censor: weight(&[0, 0, 1]),
            ghost: weight(&[2, 1, 6]),
            low_disk: weight(&[0, 0, 1]),
        };
        // One who garbles what it says loses its channels before it comes to anything cunning.
        let clumsy = weight(&[1, 0]);
        let malice = Malice {
            drop: weight(&[0, 10, 60]),
            repeat: weight(&[0, 10, 60]),
            delay: weight(&[0, 10, 60]),
            garble: clumsy * weight(&[0, 2, 10]),
            alter: clumsy * weight(&[0, 5, 30]),
            replay: clumsy * weight(&[0, 5, 30]),
            misdirect: weight(&[0, 2, 10]),
            scheme: weight(&[0, 50, 200]),
        };
        let habits = Habits {
            pay: weight(&[100, 60, 200]),
            repeat: weight(&[5, 0, 30]),
            reuse_key: weight(&[1, 0, 5]),
            nonsense: weight(&[1, 0, 5]),
            open: weight(&[2, 1, 6]),
            contract: weight(&[0, 20, 60]),
            lock: weight(&[0, 10, 40]),
            unlock: weight(&[20, 5]),
            wind_up: 1,
            send: weight(&[0, 1, 3]),
            close: weight(&[0, 1, 3]),
            force: weight(&[0, 1, 4]),
            spend: 0,
        };
        let mut weather = Self {
            latency_ms_max: weight(&[2, 30, 400]),
            write_ms_max: weight(&[2, 10, 200]),
            request_ms_max: weight(&[20, 4, 300, 1_500]),
            block_ms_max: weight(&[8_000, 3_000, 30_000, 900]),
            misfortune_ms_max: weight(&[60_000, 5_000, 20_000, 1_000]),
            misfortunes,
            die_midway: weight(&[0, 0, 1]),
            insistence: 400,
            batch_max: weight(&[3, 1, 40]),
            habits,
            first_channels: weight(&[700, 1_000]),
            whims: weight(&[0, 0, 30, 200]),
            drift: weight(&[0, 5, 20]),
            malice,
        };
        weather.habits.spend = *choices.pick_later(&[0, 20, 60]);
        weather
    }

    /// Weather in which nothing goes wrong and users do everything that they can in a few hundred steps: for runs that
    /// look at one mishap at a time.
    #[must_use]
    pub fn brisk() -> Self {
        let habits = Habits {
            pay: 30,
            repeat: 2,
            reuse_key: 1,
            nonsense: 1,
            open: 10,
            contract: 20,
            lock: 6,
            unlock: 6,
            wind_up: 4,
            send: 1,
            close: 1,
            force: 1,
            spend: 12,
        };
        Self {
            request_ms_max: 40,
            block_ms_max: 300,
            insistence: 400,
            batch_max: 3,
            habits,
            ..Self::calm()
        }
    }

    /// The calm after the storm: nothing fails, blocks come quickly, nobody begins anything new or plays foul.
    #[must_use]
    pub fn calm() -> Self {
        Self {
            latency_ms_max: 2,
            write_ms_max: 2,
            request_ms_max: 500,
            block_ms_max: 4_000,
            misfortune_ms_max: 60_000,
            misfortunes: Misfortunes {
                kill: 0,
                lie: 0,
                bad_write: 0,
                cut: 0,
                reorganisation: 0,
                torn_snapshot: 0,
                fees: 0,
                spike: 0,
                clock: 0,
                restore: 0,
                outage: 0,
                censor: 0,
                ghost: 0,
                low_disk: 0,
            },
            die_midway: 0,
            insistence: 1_000,
            batch_max: 1,
            habits: Habits {
                pay: 0,
                repeat: 0,
                reuse_key: 0,
                nonsense: 0,
                open: 0,
                contract: 0,
                lock: 0,
                unlock: 4,
                wind_up: 1,
                send: 0,
                close: 0,
                force: 0,
                spend: 0,
            },
            first_channels: 0,
            whims: 0,
            drift: 0,
            malice: Malice {
                drop: 0,
                repeat: 0,
                delay: 0,
                garble: 0,
                alter: 0,
                replay: 0,
                misdirect: 0,
                scheme: 0,
            },
        }
    }
}
