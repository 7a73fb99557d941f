//! The first moment of a world.

use std::sync::Arc;

use crowdfold_config::{Genesis, GenesisError, ValidGenesis};
use crowdfold_events::{EventSeq, encode_event};
use crowdfold_journal::{Frame, JournalStore};

use super::{
    Happening, Sums, World,
    fates::Fates,
    node::{Conduct, Validator},
};
use crate::{
    actors::ledger::{LedgerCore, LedgerError},
    node::Snapshot,
    sim::{
        adversaries::{self, Adversary, Earnings},
        consensus::{Decision, LogState},
        disk::Disk,
        faults::{FaultCounts, FaultPlan},
        from::{self, Fork, FromError},
        judge,
        memo::Memo,
        network::Weather,
        observe::{Cast, Opening},
        options::{OptionsError, SimOptions},
        people::People,
        prover::{
            Behaviour,
            machine::{Newest, Prover},
        },
        queue::Queue,
        random::Seed,
        users::Users,
    },
};

/// Time over which the provers are started, in milliseconds.
const STARTING_MS: u64 = 30_000;

/// Why a world cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The caller's fault.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The preset is no genesis: a bug.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The genesis is no start of a chain: a bug.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The chain to go on from. The operator's fault, mostly.
    #[error(transparent)]
    From(#[from] FromError),
    /// A checker does not accept the opening.
    #[error(transparent)]
    Opening(#[from] crate::sim::observe::Violation),
}

/// A validator's ledger and log as they are when a forked chain begins.
fn begin_fork(fork: &Fork, mut journal: Box<dyn JournalStore>, disk: &Disk) -> Result<LedgerCore, LedgerError> {
    let stored = fork.events.iter().map(encode_event).collect::<Result<Vec<_>, _>>()?;
    journal.append(&[Frame::new(stored)?], EventSeq(0))?;
    let (block, commit) = (fork.block.clone(), fork.commit.clone());
    let decision = Some(Decision { block, proofs: Arc::default(), commit });
    disk.write_log(LogState { lock: None, decision });
    LedgerCore::resume(journal, fork.snapshot.clone())
}

impl World {
    /// A world from its options.
    ///
    /// # Errors
    /// [`WorldError`].
    pub fn new(options: &SimOptions) -> Result<Self, WorldError> {
        options.check()?;
        let mut people = People::new(options);
        match &options.from {
            None => {
                let genesis = people.genesis()?;
                Self::with(options, people, genesis, None)
            }
            Some(dir) => {
                let fork = from::fork(dir, &mut people)?;
                Self::with(options, people, fork.genesis.clone(), Some(fork))
            }
        }
    }

    fn with(options: &SimOptions, people: People, genesis: Genesis, fork: Option<Fork>) -> Result<Self, WorldError> {
        let seed = Seed(options.seed);
        let valid: Arc<ValidGenesis> = Arc::new(genesis.clone().validate()?);
        let plan = FaultPlan::new(options.faults, seed, &options.without);
        let People { validators, plugins, wallets } = people;
        let mut origin: Option<Arc<Snapshot>> = None;
        let mut made = Vec::new();
        for signer in validators {
            let disk = Disk::default();
            let journal = Box::new(disk.open().map_err(LedgerError::from)?);
            let ledger = match &fork {
                None => LedgerCore::open(&genesis, journal)?,
                Some(fork) => begin_fork(fork, journal, &disk)?,
            };
            let seen = ledger.snapshot().clone();
            origin.get_or_insert_with(|| seen.clone());
            let (node, conduct) = (None, Conduct::Honest);
            made.push(Validator {
                signer,
                disk,
                node,
                seen,
                life: 0,
                conduct,
                lies: 0,
                armed: None,
                wake_ms: u64::MAX,
            });
        }
        let Some(origin) = origin else {
            return Err(OptionsError::Range { name: "validators", value: 0, least: 1, most: 64 }.into());
        };
        let mut users = Users::new(seed, wallets, options.transactions_per_block, &origin.state);
        let roles = adversaries::roles(&options.adversaries, options.plugins);
        let provers: Vec<Prover> = plugins
            .into_iter()
            .zip(roles)
            .enumerate()
            .map(|(number, (signer, role))| Prover::new(seed, number as u64, signer, &plan, options.duration_ms, role))
            .collect();
        let mut earnings = Earnings::default();
        for prover in &provers {
            match prover.behaviour {
                Behaviour::Adversary(role) => earnings.watch(prover.signer.address(), Some(role.adversary)),
                Behaviour::Honest => earnings.watch(prover.signer.address(), None),
                _ => {}
            }
        }
        if !options.adversaries.is_empty() {
            users.keep_debts();
        }
        if options.adversaries.contains(&Adversary::SelfSpammer)
            && let Some(wallet) = users.start_spam()
        {
            earnings.watch_user(wallet, Some(Adversary::SelfSpammer));
        }
        let cast = Cast {
            validators: made.iter().map(|v| v.signer.address()).collect(),
            plugins: provers.iter().map(|p| (p.signer.address(), p.behaviour)).collect(),
            users: users.addresses(),
        };
        let mut memo = Memo::default();
        memo.keep_snapshot(origin.clone());
        let mut world = Self {
            options: options.clone(),
            genesis: valid,
            origin,
            is_fork: fork.is_some(),
            seed,
            weather: Weather::new(&plan),
            plan,
            counts: FaultCounts::default(),
            now_ms: 0,
            queue: Queue::default(),
            validators: made,
            provers,
            users,
            links: Default::default(),
            connections: Default::default(),
            next_connection: 0,
            memo,
            newest: Newest::default(),
            checkers: judge::all(),
            cast,
            fates: Fates::new(seed),
            tip: Default::default(),
            block_events: Default::default(),
            healed_at: None,
            is_over: false,
            failure: None,
            sums: Sums::default(),
            earnings,
        };
        world.tip = world.origin.height();
        world.open()?;
        world.begin();
        Ok(world)
    }

    fn open(&mut self) -> Result<(), WorldError> {
        let first = &self.validators[0].disk;
        let journal = first.open().map_err(LedgerError::from)?;
        let stored = journal.read(crowdfold_events::EventSeq(0), 1).map_err(LedgerError::from)?;
        let decoded = stored.iter().map(|event| {
            event.decode().map_err(|fault| LedgerError::Event { at: crowdfold_events::EventSeq(0), fault })
        });
        let events = decoded.collect::<Result<Vec<_>, _>>()?;
        let (genesis, cast) = (&self.genesis, &self.cast);
        let opening = Opening { genesis, cast, state: &self.origin.state, events: &events };
        for checker in &mut self.checkers {
            checker.opening(&opening)?;
        }
        Ok(())
    }

    fn begin(&mut self) {
        for validator in 0..self.validators.len() {
            self.queue.put(0, Happening::StartValidator { validator });
        }
        let mut luck = self.seed.stream("prover.start", 0);
        for prover in 0..self.provers.len() {
            self.queue.put(luck.below(STARTING_MS), Happening::StartProver { prover });
            if let Some(at_ms) = self.provers[prover].dies_ms {
                self.queue.put(at_ms, Happening::Die { prover });
            }
        }
        // The first transactions wait for the first block.
        self.begin_fates();
    }
}
